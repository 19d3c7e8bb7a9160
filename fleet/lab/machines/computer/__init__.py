"""The environment of hosts on one computer: cgroups, a network, and a power supply that can be cut."""
