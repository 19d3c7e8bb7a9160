"""The adapter to etcd: reads the state of its members, and does what a reboot of a member's node needs before and
after."""
