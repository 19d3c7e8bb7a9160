"""Lists and watches, and snapshots and dumps made of them."""
