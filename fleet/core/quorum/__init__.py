"""Quorum groups, such as an etcd: their members, the rules for them, and how their health is read."""
