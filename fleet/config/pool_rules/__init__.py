"""Reads the rules of pools that are more than single values: drains, playbooks, standing policies."""
