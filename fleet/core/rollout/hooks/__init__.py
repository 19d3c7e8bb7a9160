"""Tracks how far the hooks of a rollout are."""
