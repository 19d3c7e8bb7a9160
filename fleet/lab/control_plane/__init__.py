"""A Kubernetes control plane for a lab: API servers, certificates, and a load balancer in front."""
