"""Rollouts and their runs: the table of steps, actions, events, and the state that is rebuilt from the journal."""
