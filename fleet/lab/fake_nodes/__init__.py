"""Fake nodes of a lab: kwok's Node objects with a machine that fleet plays, and an agent on each machine."""
