"""Other controllers that work on the same nodes, and the signs by which they announce their work."""
