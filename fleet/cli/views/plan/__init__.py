"""A plan as text: what it does, how long it takes, what holds it. Pure."""
