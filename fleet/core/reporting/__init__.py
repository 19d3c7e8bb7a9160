"""The reports that users read about a rollout and about the fleet: status, timeline, report, and their JSON schemas."""
