"""What the user asks for: pools, limits, windows, and how the pods of a drained node are treated."""
