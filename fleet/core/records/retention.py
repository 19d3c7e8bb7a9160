"""How long it stays known what clusters were once seen to have."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct


class Retention(Struct, frozen=True):
    """Of what is no more; what is so now stays known, and so does every entry of the journal."""

    nodes: timedelta | None = None
    """What nodes and machines ran, since when and until when. None: for ever."""
    others: timedelta = timedelta(days=30)
    """Pods, budgets, workloads, quorum groups, and other parties' work. No command asks for those of the past."""
