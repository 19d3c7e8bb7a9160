"""Scheduled jobs: what a controller does again and again, when it does it next, and what came of it."""
