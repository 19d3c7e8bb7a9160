"""Formats counts with their nouns. No other code formats `1 pod` and `4,211 pods`."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Returns the count with the noun in singular or plural: `1 pod`, `4,211 pods`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
