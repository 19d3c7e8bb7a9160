"""Tracks how far a rollout is through its stages and the gates between them."""
