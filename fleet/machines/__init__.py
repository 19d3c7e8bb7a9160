"""Adapter: how a machine's operating system is looked at, upgraded and rebooted."""
