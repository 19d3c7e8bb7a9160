"""Plans that were proposed. A plan is named by its hash: a plan that was changed afterwards does not match its
name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from fleet.core.records.errors import SchemaError, TamperedError, UsageError
from fleet.store.db.database import SqlDatabase, Transaction
from fleet.store.journal import chain
from fleet.store.settings import set_in

if TYPE_CHECKING:
    # Most questions read no plan, and its type is costly to import.
    from fleet.core.planning.plan import Plan

WORDS = 300
"""The most characters of a library's message that are shown."""
LOOKED = "looked-at/"
"""The prefix of a setting, followed by a user's name, that holds the user's last plan without --keep."""
SHOWN = 5
"""How many plans are named where a prefix matches several."""


PlanType = TypeVar("PlanType")


class PlanRow(Struct, frozen=True):
    """The columns of a plan in a list, read without decoding the whole plan."""

    plan_id: str
    start: datetime
    target: str
    """The version of the target."""
    pools: tuple[str, ...]
    clusters: tuple[str, ...]
    nodes: int
    held: int
    makespan_seconds: float


class Plans:
    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def save(self, plan: Plan, looker: str = "") -> Plan:
        """Stores the plan and returns it with its id. Saving the same plan again changes nothing.

        `looker`: the user for whom the plan is stored. It replaces this user's previous plan, unless that one was kept.
        With an empty `looker` the plan is kept when its user makes other plans.
        """
        plan = named(plan)
        body = msgspec.json.encode(plan, order="deterministic").decode()
        summary = msgspec.json.encode(_summary(plan)).decode()
        with self._database.write("plan") as transaction:
            known = transaction.one("SELECT 1 FROM plan WHERE id = ?", [plan.plan_id])
            if known is None:
                transaction.run(
                    "INSERT INTO plan (id, start, summary, body) VALUES (?, ?, ?, ?)",
                    [plan.plan_id, self._database.bind(plan.start), summary, body],
                )
            if looker and known is None:
                transaction.run(
                    "DELETE FROM plan WHERE id <> ? AND id IN (SELECT value FROM setting WHERE key = ?)",
                    [plan.plan_id, LOOKED + looker],
                )
                set_in(transaction, LOOKED + looker, plan.plan_id)
            elif not looker:
                _keep(transaction, plan.plan_id)
        return plan

    def find(self, plan_id: str) -> Plan | None:
        """Returns the plan for callers that can do without it. None where the plan is missing, was changed, or was
        written by a newer fleet. Raises StoreError where the database refuses."""
        try:
            return self.get(plan_id)
        except (UsageError, TamperedError):
            return None

    def last_of(self, looker: str) -> Plan | None:
        """Returns the last plan that was stored for that user and not kept; None where there is none. Raises as `find`."""
        with self._database.read() as transaction:
            row = transaction.one("SELECT value FROM setting WHERE key = ?", [LOOKED + looker])
        return self.find(row[0]) if row is not None else None

    def get(self, name: str) -> Plan:
        """Returns the plan of that id, or of a prefix that only one id has. Raises UsageError where no plan or several
        match, TamperedError where the plan was changed since it was saved, and SchemaError where the plan was written
        by a newer fleet."""
        from fleet.core.planning.plan import Plan, short_id

        with self._database.read() as transaction:
            rows = transaction.all(
                "SELECT id FROM plan WHERE substr(id, 1, ?) = ? ORDER BY id", [len(name), name]
            )
            found = [row[0] for row in rows]
            if not found or not name:
                raise UsageError(
                    f"no plan {name}",
                    "fleet plan makes one; it replaces your previous plan unless that was made with --keep",
                )
            if len(found) > 1:
                raise UsageError(
                    f"{name} matches several plans: {', '.join(map(short_id, found[:SHOWN]))}",
                    "give more of its id",
                )
            (plan_id,) = found
            row = transaction.one("SELECT body FROM plan WHERE id = ?", [plan_id])
        assert row is not None
        if not _is_named(row[0], plan_id):
            raise TamperedError(
                f"plan {short_id(plan_id)} in the database was changed: its hash differs",
                "fleet plan makes a new one; fleet audit verify shows whether the journal is intact",
            )
        return _read(row[0], Plan)

    def list(self) -> list[PlanRow]:
        """Returns a row for each plan; the one that starts last comes first."""
        with self._database.read() as transaction:
            rows = transaction.all("SELECT id, summary FROM plan ORDER BY start DESC, id")
        return [replace(_read(summary, PlanRow), plan_id=plan_id) for plan_id, summary in rows]


def named(plan: Plan) -> Plan:
    """Returns the plan with its id. Raises ValueError as `id_of` does."""
    return replace(plan, plan_id=id_of(plan))


def id_of(plan: Plan) -> str:
    """Returns the id of a plan, see `Plan.plan_id`. Raises ValueError for numbers that JSON cannot express exactly."""
    return _id_of_fields(msgspec.to_builtins(plan))


def _id_of_fields(fields: Mapping[str, Any]) -> str:
    """Returns the id of a plan in its published JSON form."""
    return f"p-{sha256(chain.canonical({**fields, 'plan_id': ''})).hexdigest()}"


def _is_named(body: str, plan_id: str) -> bool:
    """Returns whether the text is the plan of that id. The text itself is hashed and not the decoded plan: the plan
    may lack fields that a newer fleet has."""
    try:
        written = msgspec.json.decode(body, type=dict[str, Any])
        return written.get("plan_id") == plan_id == _id_of_fields(written)
    except (ValueError, RecursionError):
        return False  # fleet cannot have saved this text.


def _keep(transaction: Transaction, plan_id: str) -> None:
    transaction.run("DELETE FROM setting WHERE key LIKE ? AND value = ?", [f"{LOOKED}%", plan_id])


def _read(text: str, kind: type[PlanType]) -> PlanType:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise SchemaError(
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
