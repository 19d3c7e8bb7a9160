"""Approvals of plans: what an approval covers, whether it is still in force, and what differs from it."""
