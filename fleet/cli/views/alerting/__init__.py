"""Receivers of messages, as text."""
