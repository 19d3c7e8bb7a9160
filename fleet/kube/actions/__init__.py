"""Actions in a cluster: cordon, evict, taint, patch Machines, hold the Lease."""
