"""The Kubernetes objects that fleet reads, and a node's Machine, as frozen structs."""
