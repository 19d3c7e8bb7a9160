"""Exposure: which nodes run software that a question or a security advisory is about."""
