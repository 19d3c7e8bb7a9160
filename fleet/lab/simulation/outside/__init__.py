"""Runs what the controllers of a history ask and start: servers of gates, and hooks."""
