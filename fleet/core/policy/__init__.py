"""The user's policy: pools, limits, windows, and how a drain treats the pods of a node."""
