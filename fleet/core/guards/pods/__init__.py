"""Guards about the pods of a node: whether they may be evicted, where they would land, and what they leave behind."""
