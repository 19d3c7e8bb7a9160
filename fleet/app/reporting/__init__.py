"""Use cases that read: status, explain, report, and the logs of a node."""
