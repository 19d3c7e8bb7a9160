"""Reads what a policy says of alerts: which are silenced while a node is worked on, and who gets messages."""
