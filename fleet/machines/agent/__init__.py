"""The agent of one machine: what it was asked for, what it does, what it reports."""
