"""Hosts that are in no cluster, as a cluster of their own: an inventory file, driven over ssh.

Its nodes are the hosts, there are no pods and no budgets. What an API server would keep (marks, what is asked of a
machine, how far that is) is kept in a folder; a drain is the user's own hooks.
"""
