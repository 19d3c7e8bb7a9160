"""The kinds of clusters: one source a kind, and one registry of them."""
