"""The faults of a history, one function a kind."""
