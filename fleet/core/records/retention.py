"""How long the database keeps records of objects that no longer exist."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct


class Retention(Struct, frozen=True):
    """How long objects that no longer exist stay in the database. Objects that exist stay, and so does every entry of
    the journal."""

    nodes: timedelta | None = None
    """For what nodes and machines ran, and from when to when. None: for ever."""
    others: timedelta = timedelta(days=30)
    """For pods, budgets, workloads, quorum groups, and the work of other parties: no command shows past ones."""
