"""Machines that are upgraded by playbooks, which ansible-runner runs."""
