"""Measures gates: asks Prometheus, Alertmanager, web servers and programs whether a rollout may go on."""
