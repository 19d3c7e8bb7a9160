"""The controllers and kubelets of the model cluster: they schedule, evict and replace pods, and count budgets."""
