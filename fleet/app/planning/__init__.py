"""Use cases of plans: plan, plan from a dump, list, lint."""
