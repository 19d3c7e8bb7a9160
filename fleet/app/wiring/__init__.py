"""What use cases are made of: where a fleet lives on disk, its clock, its connections, its logs."""
