"""Clusters of real etcd members on this machine, in sites with a network delay between them."""
