"""Lists who changed what in a span, as a report names it."""
