"""Use cases: one for each verb of the command line. This package alone knows all adapters."""
