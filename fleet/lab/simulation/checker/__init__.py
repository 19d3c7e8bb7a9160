"""What judges a history: the invariants, and the ground truth that they are held against. Shares no code with the engine."""
