"""What the nodes of a cluster have free, and where the pods of a drained node would land."""
