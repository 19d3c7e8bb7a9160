"""Machines as they are: a real ssh server, real programs, and hosts that boot real OSTree deployments."""
