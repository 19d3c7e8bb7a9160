"""One file per family of operating systems: what to run, and how to read its answer."""
