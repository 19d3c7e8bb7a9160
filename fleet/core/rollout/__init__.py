"""A rollout and its runs: the table of steps, actions, events, and the state folded from the journal."""
