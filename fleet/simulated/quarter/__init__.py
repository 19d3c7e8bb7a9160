"""The fleet of the demo of a quarter: three sites in three time zones, from October to December 2026."""
