"""Use cases of clusters: add, import, accept, install the agent, synchronise."""
