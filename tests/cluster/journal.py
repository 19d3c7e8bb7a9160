"""The journal of a home as any program can read it: SQL and JSON, without fleet's code."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple


class Entry(NamedTuple):
    seq: int
    epoch: int
    form: str
    kind: str
    node: str
    detail: dict[str, Any]

    @property
    def label(self) -> str:
        """What happened to which node, the same in every rollout of that node."""
        return label(self.form, self.kind, self.node, self.detail)


def label(form: str, kind: str, node: str, detail: dict[str, Any]) -> str:
    arguments = (form, kind, node, detail.get("to", ""), detail.get("result", ""))
    return " ".join(argument for argument in arguments if argument)


def entries(home: Path, rollout: str) -> list[Entry]:
    with closing(sqlite3.connect(f"file:{home / 'fleet.db'}?mode=ro", uri=True)) as database:
        rows = database.execute(
            f"select {', '.join(Entry._fields)} from journal where rollout = ? order by seq",
            [rollout],
        ).fetchall()
    return [Entry(*row)._replace(detail=json.loads(row[-1])) for row in rows]


def assert_told_once(found: list[Entry]) -> None:
    """Every intent has one outcome, behind it; and no epoch writes after a later one has begun."""
    open_, settled = set[str](), Counter[str]()
    for entry in found:
        if entry.form == "intent":
            assert entry.detail["id"] not in open_, f"intended twice: {entry}"
            assert not settled[entry.detail["id"]], f"intended again under the same id: {entry}"
            open_.add(entry.detail["id"])
        elif entry.form == "outcome":
            assert entry.detail["id"] in open_, f"an outcome of nothing: {entry}"
            open_.remove(entry.detail["id"])
            settled[entry.detail["id"]] += 1
    assert not open_, f"without an outcome: {open_}"
    epochs = [entry.epoch for entry in found if entry.epoch]
    assert epochs == sorted(epochs), "a controller wrote after another had taken over"
