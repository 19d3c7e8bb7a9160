"""How long the database keeps what clusters once had."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct


class Retention(Struct, frozen=True):
    """How long what is gone stays in the database. What is there now stays, and so does every entry of the journal."""

    nodes: timedelta | None = None
    """For what nodes and machines ran, since when and until when. None: for ever."""
    others: timedelta = timedelta(days=30)
    """For pods, budgets, workloads, quorum groups, and the work of other parties: no command asks for those of the past."""
