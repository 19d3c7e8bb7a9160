"""One cluster as last observed: its objects, and the indexes that decisions need."""
