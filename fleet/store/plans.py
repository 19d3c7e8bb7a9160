"""Plans that were proposed. A plan is immutable."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

import msgspec
from msgspec import Struct

from fleet.core.errors import StoreError, UsageError
from fleet.core.plan import Plan
from fleet.store.database import Database

WORDS = 300
"""Letters of a library's words that are shown."""
SHOWN = 5
"""So many plans are named where a prefix fits several."""


Kind = TypeVar("Kind")


class PlanRow(Struct, frozen=True):
    """What a list of plans shows, without reading them whole."""

    plan_id: str
    start: datetime
    target: str
    """Version."""
    pools: tuple[str, ...]
    clusters: tuple[str, ...]
    nodes: int
    held: int
    makespan_seconds: float


class Plans:
    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, plan: Plan) -> None:
        """Raises StoreError where another plan has its id. Saving the same one again changes nothing."""
        body = msgspec.json.encode(plan, order="deterministic").decode()
        summary = msgspec.json.encode(_summary(plan)).decode()
        with self._database.write("plan") as transaction:
            row = transaction.one("SELECT body FROM plan WHERE id = ?", [plan.plan_id])
            if row is not None and row[0] != body:
                raise StoreError(f"another plan is saved as {plan.plan_id}", "make a new plan")
            if row is None:
                transaction.run(
                    "INSERT INTO plan (id, start, summary, body) VALUES (?, ?, ?, ?)",
                    [plan.plan_id, self._database.bind(plan.start), summary, body],
                )

    def get(self, name: str) -> Plan:
        """By its id, or by a prefix that no other has. Raises UsageError where that names none, or several."""
        with self._database.read() as transaction:
            rows = transaction.all(
                "SELECT id FROM plan WHERE substr(id, 1, ?) = ? ORDER BY id", [len(name), name]
            )
            found = [row[0] for row in rows]
            if not found or not name:
                raise UsageError(f"no plan {name}", "fleet plan makes one")
            if name not in found and len(found) > 1:
                raise UsageError(
                    f"{name} fits several plans: {', '.join(found[:SHOWN])}", "give more of its name"
                )
            body = transaction.one(
                "SELECT body FROM plan WHERE id = ?", [name if name in found else found[0]]
            )
        assert body is not None
        return _read(body[0], Plan)

    def list(self) -> list[PlanRow]:
        """The one that starts last comes first."""
        with self._database.read() as transaction:
            rows = transaction.all("SELECT summary FROM plan ORDER BY start DESC, id")
        return [_read(row[0], PlanRow) for row in rows]


def _read(text: str, kind: type[Kind]) -> Kind:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise StoreError(
            f"a plan in the database cannot be read: {str(error)[:WORDS]}", "make a new plan"
        ) from error


def _summary(plan: Plan) -> PlanRow:
    return PlanRow(
        plan.plan_id,
        plan.start,
        plan.target.version,
        plan.pools,
        plan.clusters,
        len(plan.runs),
        len(plan.held),
        plan.makespan_seconds,
    )
