"""What several OS families read or run in the same way."""
