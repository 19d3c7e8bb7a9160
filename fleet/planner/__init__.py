"""Plans: the engine on a model cluster in virtual time, the search for a better order, rehearsals, what-if."""
