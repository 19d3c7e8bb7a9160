"""Silences in Alertmanager."""
