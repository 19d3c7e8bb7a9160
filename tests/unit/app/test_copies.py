"""Copies of checkpoints beside the key: a line whole or not at all, whoever else appends."""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue
from threading import Thread, current_thread

import pytest

from fleet.app.audit.copies import append_copy, read_copies
from fleet.core.records.audit import SignedCheckpoint

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def a_checkpoint(seq: int) -> SignedCheckpoint:
    return SignedCheckpoint(seq=seq, hash=f"h-{seq}", count=seq, at=NOW, key="k", signature="s")


def test_line_of_another_process_survives_a_line_cut_by_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoints.jsonl"
    append_copy(path, a_checkpoint(1))
    events: Queue[str] = Queue()
    write, flock = os.write, fcntl.flock

    def append_other() -> None:
        append_copy(path, a_checkpoint(3))
        events.put("appended")

    other = Thread(target=append_other)

    def half(descriptor: int, data: bytes) -> int:
        """The disk is full after half of the line, and just then another process appends, or waits for its turn."""
        if current_thread() is other or other.ident is not None:
            return write(descriptor, data)
        written = write(descriptor, data[: len(data) // 2])
        other.start()
        events.get(timeout=60)
        return written

    def locked(descriptor: int, operation: int) -> None:
        if current_thread() is other:
            events.put("waits")
        flock(descriptor, operation)

    monkeypatch.setattr(os, "write", half)
    monkeypatch.setattr(fcntl, "flock", locked)
    with pytest.raises(OSError, match="No space left"):
        append_copy(path, a_checkpoint(2))
    other.join(timeout=60)
    found, findings = read_copies([path])
    assert [each.seq for each in found] == [1, 3]
    assert findings == []
