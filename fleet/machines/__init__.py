"""The adapter to machines: observes, upgrades and reboots a machine's operating system."""
