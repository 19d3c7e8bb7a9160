"""Reads kubeconfig files as kubectl does."""
