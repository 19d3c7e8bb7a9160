"""A model of one Kubernetes cluster in memory: it behaves as the API server, the controllers and the kubelets do."""
