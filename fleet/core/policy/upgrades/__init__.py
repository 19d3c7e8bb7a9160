"""Says how pools get new releases."""
