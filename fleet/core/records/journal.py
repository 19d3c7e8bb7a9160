"""The journal's entries and their hash chain. One append-only table: recovery, reports and audits read the same
rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

RecordForm = Literal["command", "decision", "intent", "outcome"]
"""`command`: a command of an operator. `decision`: a decision of the engine. `intent`: an action that is about to be
performed. `outcome`: the result of an action."""

GENESIS = "0" * 64
"""`prev_hash` of the first entry."""


class JournalRecord(Struct, frozen=True, gc=False):
    """The content of a journal entry, before the entry has its place in the hash chain. `core/rollout/codec.py`
    converts records from and to structs of their kinds."""

    form: RecordForm
    kind: str
    """The kinds of commands: start, pause, resume, abort, release; accept (a cluster has seen a later journal); log (an
    operator reads the log of a machine); claim (hosts belong to this fleet from now on, whichever fleet had claimed them
    before); approval-wanted, approve and reject (the effect of a plan).

    Of decisions: step, retry, halt, finish, canary, no-canary, re-registered, tidied, timed, fold, policy-state (a standing
    policy refuses, is halted, or goes on), and played (a task
    of a playbook changed a machine, or failed). Of intents and outcomes: the kind of the action.
    """
    rollout: str = ""
    node: str = ""
    """`cluster/name`, or empty."""
    detail: dict[str, Any] = {}
    """JSON values only; no fractions (durations are integers of milliseconds, times are strings)."""


class JournalEntry(Struct, frozen=True):
    """A record with its place in the hash chain. The hash is SHA-256, in hex, over the canonical JSON (RFC 8785) of all
    other fields."""

    seq: int
    """1, 2, 3, ... without a gap."""
    at: datetime
    actor: str
    """`fleet@host` for a controller, `user@host` for an operator."""
    epoch: int
    """The epoch of the lease under which a controller wrote the entry. 0 for a command of an operator."""
    record: JournalRecord
    prev_hash: str
    hash: str

    @property
    def place(self) -> str:
        """Returns a name for this entry that no entry of another journal has: its number and the beginning of its
        hash."""
        return f"{self.seq}:{self.hash[:16]}"


def seq_of(place: str) -> int:
    """Returns the number of the entry at that place (`JournalEntry.place`); 0 where there is none."""
    seq = place.partition(":")[0]
    return int(seq) if seq.isdigit() else 0
