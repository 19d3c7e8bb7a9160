"""Use cases: one for each verb. The only floor that knows all adapters."""
