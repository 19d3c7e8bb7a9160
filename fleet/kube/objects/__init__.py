"""Kubernetes objects on the wire, and how they become the objects of the core."""
