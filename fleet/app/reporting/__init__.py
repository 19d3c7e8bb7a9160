"""Use cases that read: status, explain, report, a node's logs."""
