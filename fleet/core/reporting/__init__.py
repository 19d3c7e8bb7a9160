"""What users read of a rollout and of the fleet: status, timeline, report, and the JSON schemas of all of them."""
