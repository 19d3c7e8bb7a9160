"""Other controllers that work on the same nodes, and the marks by which they say so."""
