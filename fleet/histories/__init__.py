"""Seeded histories: the engine among clusters, faults and persons that are all drawn from one seed, and a checker that
sees only what truly was and shares no code with the engine."""
