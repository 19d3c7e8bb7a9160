"""What the computer that fleet runs on does for it: programs, and new files."""
