"""Surface: the command line."""
