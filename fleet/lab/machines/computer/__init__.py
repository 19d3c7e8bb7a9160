"""What hosts need of the computer that they run on: cgroups, a network, power that can be cut."""
