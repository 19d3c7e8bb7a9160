"""Hooks, as the policy has them."""
