"""Release feeds: reading them, and the list of all releases."""
