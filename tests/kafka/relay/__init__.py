"""The tests of the relay."""
