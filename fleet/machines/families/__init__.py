"""Families of operating systems, one in each file: the commands that fleet runs, and how their output is parsed."""
