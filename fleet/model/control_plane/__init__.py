"""What the control plane and the kubelets of the model cluster do: schedule, evict, replace, count budgets."""
