"""Reads the policy from objects of the API, and writes it as such."""
