"""Text for users: counts, durations, paths, and untrusted text made safe to show."""
