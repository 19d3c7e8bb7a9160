"""The controller as a pod of a cluster that it upgrades: `fleet operator`."""
