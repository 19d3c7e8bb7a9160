"""The retention of records of objects that no longer exist."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct


class Retention(Struct, frozen=True):
    """How long objects that no longer exist stay in the database. Objects that exist stay, and so does every entry of
    the journal."""

    nodes: timedelta | None = None
    """The retention of past releases and boots of nodes and machines. None: for ever."""
    others: timedelta = timedelta(days=30)
    """The retention of past pods, budgets, workloads, quorum groups, and work of other parties, which no command shows."""
