"""The commands that try fleet out: demo and lab."""
