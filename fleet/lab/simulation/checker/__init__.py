"""Checks a history against its invariants and the ground truth. Shares no code with the engine."""
