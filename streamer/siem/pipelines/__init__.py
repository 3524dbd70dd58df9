"""One collector a file: `render(deployment)` gives the whole text of its configuration, ready to be saved and run."""
