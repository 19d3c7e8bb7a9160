"""Simulated clusters that a fleet can hold beside real ones: `fleet demo` and tests run on them."""
