"""How pools get new releases."""
