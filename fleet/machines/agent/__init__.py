"""The agent of one machine: its requests, its work, and its reports."""
