"""Standing policies: which release a pool goes to by itself, when, and why not yet."""
