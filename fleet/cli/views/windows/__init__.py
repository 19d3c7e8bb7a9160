"""Windows as texts, as a calendar in the terminal, and for calendar programs."""
