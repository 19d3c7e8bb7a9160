"""One cluster as last observed: its objects, and the indexes that the engine's decisions use. Also what fleet's actions
change of a Node."""
