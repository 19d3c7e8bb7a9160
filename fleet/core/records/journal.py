"""The journal's entry and its hash chain. One append-only table: recovery, report and audit read the same rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

RecordForm = Literal["command", "decision", "intent", "outcome"]
"""command: a person's word. decision: the engine's. intent: what will be done now. outcome: what came of it."""

GENESIS = "0" * 64
"""`prev_hash` of the first entry."""


class JournalRecord(Struct, frozen=True, gc=False):
    """What is to be journaled, before it has a place in the chain."""

    form: RecordForm
    kind: str
    """command: start, pause, resume, abort, release; accept (a cluster has seen a later journal); log (a person asks
    for a machine's); claim (hosts are this fleet's from now on, whoever had them).
    decision: step, retry, halt, finish, tidied, timed, played (a task of a playbook changed a
    machine, or failed). intent and outcome: an action's kind."""
    rollout: str = ""
    node: str = ""
    """`cluster/name`, or empty."""
    detail: dict[str, Any] = {}
    """JSON values only; no fractions (durations are integers of milliseconds, times are strings)."""


class JournalEntry(Struct, frozen=True):
    """The hash is SHA-256, in hex, over the canonical JSON (RFC 8785) of all other fields."""

    seq: int
    """1, 2, 3, ... without a gap."""
    at: datetime
    actor: str
    """`fleet@host` for a controller, `user@host` for a person."""
    epoch: int
    """Of the lease under which a controller wrote; 0 for a person's command."""
    record: JournalRecord
    prev_hash: str
    hash: str

    @property
    def place(self) -> str:
        """Names this entry of this journal, and no entry of another: its number and the beginning of its hash."""
        return f"{self.seq}:{self.hash[:16]}"
