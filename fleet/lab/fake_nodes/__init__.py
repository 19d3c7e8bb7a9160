"""Fake nodes of a lab: kwok's Node objects, each with a machine that fleet simulates and an agent on it."""
