"""Pure data and decisions: standard library and msgspec only, no clock, no socket, no randomness."""
