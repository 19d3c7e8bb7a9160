"""Tells what is to come: when runs may start, and what happens next."""
