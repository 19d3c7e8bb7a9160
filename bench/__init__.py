"""Benchmarks, described in docs/performance.md. `make bench` runs them."""
