"""Standing policies: when a pool goes to a new release of its stream by itself, and why it does not yet."""
