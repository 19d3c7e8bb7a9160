"""Guards: each returns why something may not happen now (`Held`), or None. Guards are asked again right before each
irreversible action. docs/contributing/guard.md explains how to add one."""
