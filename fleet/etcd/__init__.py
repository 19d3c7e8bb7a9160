"""Adapter to etcd: how its members fare, and what is done to them before and after a reboot."""
