"""Views: pure functions from a result to the lines that a command prints, one file a view."""
