"""The kinds of clusters: one source for each kind, and one registry of them."""
