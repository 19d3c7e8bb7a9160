"""Use cases of standing policies: what each does next, and doing it."""
