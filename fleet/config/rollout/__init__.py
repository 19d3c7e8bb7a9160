"""Reads what runs and what is asked in the course of a rollout: hooks, stages and gates."""
