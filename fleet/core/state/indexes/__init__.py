"""The indexes of the engine: by event, by limit, by run, and by what wakes a run."""
