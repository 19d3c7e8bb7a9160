"""Computes what Prometheus reads of the fleet: families of samples, computed from the same facts as the status."""
