"""The commands about what the fleet has: sync, status, exposure, explain, lint, node."""
