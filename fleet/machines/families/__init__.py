"""One file a family of operating systems: which commands it needs, and how their output reads."""
