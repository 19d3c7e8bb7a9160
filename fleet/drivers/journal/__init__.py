"""Writes checkpoints and the inventory, and logs what the journal records."""
