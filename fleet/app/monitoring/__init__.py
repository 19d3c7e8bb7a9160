"""Computes what monitoring reads of a controller: metrics, and whether the controller is alive and ready."""
