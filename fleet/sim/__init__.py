"""The model cluster, which answers as an API server does, and the made-up fleets that live in it."""
