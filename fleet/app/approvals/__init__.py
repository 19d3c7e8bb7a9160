"""Approves and rejects plans, and lists approvals."""
