"""Runs hooks: programs beside the controller, requests to web servers, playbooks, Jobs in clusters."""
