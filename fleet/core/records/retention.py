"""The retention of the history of nodes."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct


class Retention(Struct, frozen=True):
    """Says how long the past stays in the database. What is so now stays, and so does every entry of the journal."""

    nodes: timedelta | None = None
    """The retention of what nodes and machines were and ran. None: for ever."""
