"""Tests against a real Kubernetes control plane: the lab's own, or the cluster of a kubeconfig."""
