"""Fault simulation: seeded histories of a rollout with faults, kills and people, judged by a checker of its own."""
