"""Benchmarks: what is measured here is told in docs/performance.md. `make bench` runs them."""
