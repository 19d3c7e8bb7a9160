"""The past of nodes and clusters, as rows with an interval of time."""
