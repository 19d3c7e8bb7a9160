"""The releases of streams, and their feeds."""
