"""Lists and watches of a cluster, and its snapshots and dumps."""
