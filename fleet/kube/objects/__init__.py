"""Kubernetes objects as the API server writes them, and their conversion to objects of the core."""
