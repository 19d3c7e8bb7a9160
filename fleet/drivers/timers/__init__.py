"""Runs what a controller does by the clock: tasks at short intervals, and scheduled jobs."""
