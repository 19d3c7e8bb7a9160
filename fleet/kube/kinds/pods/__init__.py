"""Pods, as the API server writes them, and converted to objects of the core."""
