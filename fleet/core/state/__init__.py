"""The engine's indexes, kept up to date by every event: limits, reservations, wait queue, timers."""
