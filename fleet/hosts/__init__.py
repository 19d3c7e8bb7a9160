"""Hosts without a Kubernetes cluster, worked on over ssh as a cluster of their own that an inventory file defines.

The cluster's nodes are the hosts; it has no pods and no budgets. Marks, requests to machines and their progress, which
an API server would keep, are kept in a folder. The user's own hooks replace the drain.
"""
