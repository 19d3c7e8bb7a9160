"""What use cases need: the fleet's home on disk, its clock, its connections and its logs."""
