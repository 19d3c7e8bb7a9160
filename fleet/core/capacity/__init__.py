"""The free capacity of a cluster's nodes, and where the pods of a drained node would land."""
