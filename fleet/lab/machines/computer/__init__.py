"""What hosts need from the computer that they run on: cgroups, a network, and a power supply that can be cut."""
