"""The inventory: clusters, nodes and machines, now and in the past."""
