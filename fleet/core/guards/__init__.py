"""Guards: each returns why something may not happen now (`Held`), or None. They are asked again right before each
irreversible action. docs/contributing/guard.md adds one."""
