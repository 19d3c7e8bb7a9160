"""A Kubernetes control plane of one's own: API servers, certificates, a balancer before them."""
