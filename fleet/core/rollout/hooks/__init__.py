"""How far the hooks of a rollout are."""
