"""A small API server that keeps objects and can be told to misbehave. Shares no code with fleet."""
