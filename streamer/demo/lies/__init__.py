"""What goes wrong with a reply: one class a fault, in rooms by what they get hold of."""
