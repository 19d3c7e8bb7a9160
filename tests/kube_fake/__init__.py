"""A small API server that keeps objects and misbehaves on request. Shares no code with fleet."""
