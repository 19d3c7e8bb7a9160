"""What fleet does in a cluster: cordon, evict, taint, patch its Machines, hold a Lease."""
