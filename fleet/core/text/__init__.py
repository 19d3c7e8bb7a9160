"""Text for people: durations, paths, and untrusted text made safe to show."""
