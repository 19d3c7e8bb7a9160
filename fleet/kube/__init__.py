"""The Kubernetes API as fleet uses it. The rest of fleet sees the core's data and errors, and no library behind
them."""
