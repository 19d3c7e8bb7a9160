"""How a run goes on, a function for each step. Each answers the turn that it takes, or None while it waits."""
