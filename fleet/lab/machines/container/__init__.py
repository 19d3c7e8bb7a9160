"""Fleet's own container image, made without a daemon or a registry: from Debian's packages, the locked Python packages, and
fleet. One builder for releases and for the lab's nodes."""
