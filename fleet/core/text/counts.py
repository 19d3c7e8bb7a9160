"""Counts in words: the one place that says `1 pod` and `4,211 pods`."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Returns `1 pod`, `4,211 pods`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
