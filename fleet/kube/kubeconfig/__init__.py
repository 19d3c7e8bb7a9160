"""Kubeconfig files as kubectl reads them."""
