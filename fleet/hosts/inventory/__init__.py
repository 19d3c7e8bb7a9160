"""Inventory files of hosts, fleet's own and Ansible's."""
