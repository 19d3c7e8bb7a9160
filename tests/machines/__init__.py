"""Machines as they are: a real ssh server, real programs."""
