"""Releases of an operating system: versions, digests, kernels."""
