"""Use cases of rollouts: start, follow, command, roll back, run the controller."""
