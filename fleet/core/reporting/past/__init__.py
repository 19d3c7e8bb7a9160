"""The fleet at past moments: its status, what differs between two moments, and the life of one node."""
