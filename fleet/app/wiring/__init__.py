"""The environment of use cases: the fleet's home on disk, its clock, its connections and its logs."""
