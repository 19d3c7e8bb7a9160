"""Evicts the pods of a node: which of them go next, and how each is asked to go."""
