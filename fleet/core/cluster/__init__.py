"""One cluster as last observed: its objects, and the indexes that the engine's decisions use."""
