"""Machines that are upgraded by playbooks, run by ansible-runner."""
