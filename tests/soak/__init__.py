"""Soaks that are run by hand or by `make soak`: too long for a test."""
