"""Counts all nodes without a row for each: now, and at past moments."""
