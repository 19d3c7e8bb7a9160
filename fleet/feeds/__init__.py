"""Reads the release feeds of projects: Fedora CoreOS, Cincinnati, Flatcar, container registries."""
