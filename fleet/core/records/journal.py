"""The journal's entry and its hash chain. One append-only table: recovery, report and audit read the same rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

RecordForm = Literal["command", "decision", "intent", "outcome"]
"""command: a person's order. decision: the engine's. intent: an action that is about to be performed. outcome: what came
of the action."""

GENESIS = "0" * 64
"""`prev_hash` of the first entry."""


class JournalRecord(Struct, frozen=True, gc=False):
    """What is written to the journal, before it has a place in the chain. `core/rollout/codec.py` reads and writes it as a
    struct of its kind."""

    form: RecordForm
    kind: str
    """Of commands: start, pause, resume, abort, release; accept (a cluster has seen a later journal); log (a person reads
    the log of a machine); claim (hosts are this fleet's from now on, whoever had them).
    Of decisions: step, retry, halt, finish, canary, no-canary, re-registered, tidied, timed, fold, and played (a task of a
    playbook changed a machine, or failed). Of intents and outcomes: the action's kind."""
    rollout: str = ""
    node: str = ""
    """`cluster/name`, or empty."""
    detail: dict[str, Any] = {}
    """JSON values only; no fractions (durations are integers of milliseconds, times are strings)."""


class JournalEntry(Struct, frozen=True):
    """A record with its place in the chain. The hash is SHA-256, in hex, over the canonical JSON (RFC 8785) of all other
    fields."""

    seq: int
    """1, 2, 3, ... without a gap."""
    at: datetime
    actor: str
    """`fleet@host` for a controller, `user@host` for a person."""
    epoch: int
    """Epoch of the lease under which a controller wrote; 0 for a person's command."""
    record: JournalRecord
    prev_hash: str
    hash: str

    @property
    def place(self) -> str:
        """Returns what names this entry and no entry of another journal: its number and the beginning of its hash."""
        return f"{self.seq}:{self.hash[:16]}"
