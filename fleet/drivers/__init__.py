"""Drivers run the engine on real clusters: they feed it events and perform its actions."""
