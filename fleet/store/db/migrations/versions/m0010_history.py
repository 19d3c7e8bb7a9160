"""Moves the past of nodes and machines into tables of their own, in which an interval takes some hundred bytes.

What was known is kept: every interval of node and machine, joined where both have one. Conditions had no history, so
they are unknown (Ready) until the cluster was seen last. Past pods, budgets, workloads, quorum groups and work of other
parties, which no command showed and which were deleted after 30 days, are gone.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")
IDENT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
GOES_ON = sa.text("valid_to IS NULL")
KEYS: Mapping[str, Sequence[str]] = {
    "node": ("name",),
    "machine": ("name",),
    "pod": ("namespace", "name"),
    "budget": ("namespace", "name"),
    "workload": ("kind", "namespace", "name"),
    "quorum": ("name",),
    "maintenance": ("kind", "namespace", "name"),
}
SILENCE = timedelta(minutes=15)
BOOT = ("boot_id",)
NODE_SOFTWARE = ("os_image", "kernel", "kubelet")
MACHINE_SOFTWARE = ("booted", "staged", "rollback", "kernel")
PARTS = (
    *("node_profile", "node_boot", "node_software", "node_condition"),
    *("machine_profile", "machine_boot", "machine_software"),
)
OWN = ("node_profile", "node_boot", "machine_profile", "machine_boot")
UNKNOWN = '{"ready":null}'
ENCODER = msgspec.json.Encoder(order="deterministic")
Values = Mapping[str, Any]


def upgrade() -> None:
    _create()
    connection = op.get_bind()
    documents = _Documents(connection)
    for cluster in _all(connection, "SELECT * FROM cluster", {}):
        _contacts(connection, cluster)
        names = connection.execute(
            sa.text(
                "SELECT name FROM node WHERE cluster = :c UNION SELECT name FROM machine WHERE cluster = :c"
            ),
            {"c": cluster["name"]},
        )
        for (name,) in names.fetchall():
            _move(connection, documents, cluster, name)
    _keep_now()


def _create() -> None:
    op.create_table(
        "known_node",
        sa.Column("id", IDENT, primary_key=True),
        sa.Column("cluster", sa.String, sa.ForeignKey("cluster.name"), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("kubelet_since", MOMENT),
        sa.Column("agent_since", MOMENT),
    )
    op.create_index("known_node_name", "known_node", ["cluster", "name"], unique=True)
    op.create_table(
        "document",
        sa.Column("id", IDENT, primary_key=True),
        sa.Column("owner", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("document_digest", "document", ["owner", "digest"], unique=True)
    op.create_table(
        "node_history",
        sa.Column("node", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("valid_from", MOMENT, primary_key=True),
        sa.Column("valid_to", MOMENT),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("since", MOMENT),
        *(sa.Column(part, sa.BigInteger) for part in PARTS),
        sqlite_with_rowid=False,
    )
    op.create_index(
        *("node_history_now", "node_history", ["node"]),
        unique=True,
        sqlite_where=GOES_ON,
        postgresql_where=GOES_ON,
    )
    op.create_table(
        "cluster_contact",
        sa.Column("cluster", sa.String, sa.ForeignKey("cluster.name"), primary_key=True),
        sa.Column("valid_from", MOMENT, primary_key=True),
        sa.Column("valid_to", MOMENT),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
    )


def _keep_now() -> None:
    """Leaves one row for each object, as it is now."""
    for table, key in KEYS.items():
        for index in ("now", "then", "ended"):
            op.drop_index(f"{table}_{index}", table)
        if table == "pod":
            op.drop_index("pod_node", table)
        op.execute(f"DELETE FROM {table} WHERE valid_to IS NOT NULL")  # noqa: S608
        for column in ("valid_to", *(["since"] if table in ("node", "machine") else [])):
            op.drop_column(table, column)
        # No object has this hash, so the next sync compares each with its row once.
        op.add_column(table, sa.Column("content", sa.BigInteger, nullable=False, server_default="0"))
        op.create_index(f"{table}_now", table, ["cluster", *key], unique=True)
    op.create_index("pod_node", "pod", ["cluster", "node"])


def _move(connection: sa.Connection, documents: _Documents, cluster: Values, name: str) -> None:
    """Writes the history of one name."""
    place = {"cluster": cluster["name"], "name": name}
    nodes, machines = (_rows(connection, table, place) for table in ("node", "machine"))
    now = [rows[-1] if rows and rows[-1]["valid_to"] is None else None for rows in (nodes, machines)]
    kubelet = None if now[0] is None else now[0]["since"]
    agent = None if now[1] is None or not _reports(now[1]) else now[1]["since"]
    known = connection.execute(
        sa.text(
            "INSERT INTO known_node (cluster, name, kubelet_since, agent_since) "
            "VALUES (:cluster, :name, :kubelet, :agent) RETURNING id"
        ),
        {**place, "kubelet": kubelet, "agent": agent},
    ).scalar_one()
    rows: list[dict[str, Any]] = []
    for begin, end, node, machine in _joined(nodes, machines, cluster["last_seen"]):
        same = {"since": _since(node, machine), **documents.ids(known, _texts(node, machine, end is None))}
        if rows and rows[-1]["valid_to"] == begin and rows[-1].items() >= same.items():
            rows[-1]["valid_to"] = end
            continue
        source = max((row for row in (node, machine) if row), key=lambda row: row["valid_from"])["source"]
        rows.append({"node": known, "valid_from": begin, "valid_to": end, "source": source, **same})
    if rows:
        columns = ", ".join(rows[0])
        marks = ", ".join(f":{column}" for column in rows[0])
        connection.execute(sa.text(f"INSERT INTO node_history ({columns}) VALUES ({marks})"), rows)  # noqa: S608


def _joined(
    nodes: Sequence[Values], machines: Sequence[Values], last_seen: Any
) -> Iterator[tuple[Any, Any, Values | None, Values | None]]:
    """Yields begin and end of each interval in which one row of the node and one of the machine were valid, and these
    rows; None where there is none. The interval that goes on begins when the cluster was seen last."""
    times = {row["valid_from"] for row in (*nodes, *machines)}
    times |= {row["valid_to"] for row in (*nodes, *machines) if row["valid_to"] is not None}
    if last_seen is not None:
        times.add(last_seen)
    ordered = sorted(times)
    for begin, end in zip(ordered, [*ordered[1:], None], strict=True):
        node, machine = _valid(nodes, begin), _valid(machines, begin)
        if node is not None or machine is not None:
            yield begin, end, node, machine


def _valid(rows: Iterable[Values], at: Any) -> Values | None:
    return next(
        (
            row
            for row in rows
            if row["valid_from"] <= at and (row["valid_to"] is None or row["valid_to"] > at)
        ),
        None,
    )


def _rows(connection: sa.Connection, table: str, place: Values) -> Sequence[Values]:
    sql = f"SELECT * FROM {table} WHERE cluster = :cluster AND name = :name ORDER BY valid_from"  # noqa: S608
    return _all(connection, sql, place)


def _all(connection: sa.Connection, sql: str, values: Values) -> Sequence[Values]:
    return [row._asdict() for row in connection.execute(sa.text(sql), values)]


def _reports(machine: Values) -> bool:
    return bool(machine["version"] or machine["digest"])


def _since(node: Values | None, machine: Values | None) -> Any:
    if machine is not None and _reports(machine):
        return machine["since"]
    return None if node is None else node["since"]


def _texts(node: Values | None, machine: Values | None, now: bool) -> dict[str, str]:
    """Returns the texts of the parts of an interval. `now`: the interval goes on."""
    found: dict[str, str] = {}
    if node is not None:
        found |= _split("node", node["fact"], NODE_SOFTWARE)
        found["node_condition"] = node["state"] if now else UNKNOWN
    if machine is not None:
        found |= _split("machine", machine["fact"], MACHINE_SOFTWARE)
    return found


def _split(kind: str, fact: str, software: Sequence[str]) -> dict[str, str]:
    values = msgspec.json.decode(fact, type=dict[str, msgspec.Raw])
    profile = {name: value for name, value in values.items() if name not in (*software, *BOOT)}
    parts = {
        "profile": profile,
        "boot": {name: values[name] for name in BOOT if name in values},
        "software": {name: values[name] for name in software if name in values},
    }
    return {f"{kind}_{part}": ENCODER.encode(found).decode() for part, found in parts.items()}


class _Documents:
    """The texts that were stored."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._shared: dict[str, int] = {}
        self._own: tuple[int, dict[str, int]] = (0, {})

    def ids(self, node: int, texts: Mapping[str, str]) -> dict[str, int | None]:
        return {part: self._id(node, part, texts[part]) if part in texts else None for part in PARTS}

    def _id(self, node: int, part: str, text: str) -> int:
        if part not in OWN:
            owner, known = 0, self._shared
        else:
            if self._own[0] != node:
                self._own = node, {}
            owner, known = node, self._own[1]
        if text not in known:
            digest = urlsafe_b64encode(blake2b(text.encode(), digest_size=16).digest()).decode().rstrip("=")
            known[text] = self._connection.execute(
                sa.text(
                    "INSERT INTO document (owner, digest, body) VALUES (:owner, :digest, :body) RETURNING id"
                ),
                {"owner": owner, "digest": digest, "body": text},
            ).scalar_one()
        return known[text]


def _contacts(connection: sa.Connection, cluster: Values) -> None:
    """Writes when the cluster answered: whenever a fact of it was written, and when it was seen last."""
    name, last_seen = cluster["name"], cluster["last_seen"]
    sql = " UNION ".join(
        f"SELECT {column} FROM {table} WHERE cluster = :c AND {column} IS NOT NULL"  # noqa: S608
        for table in ("node", "machine")
        for column in ("valid_from", "valid_to")
    )
    times = {at for (at,) in connection.execute(sa.text(sql), {"c": name})} - {cluster["removed_at"]}
    if last_seen is not None:
        times.add(last_seen)
    stretches: list[list[Any]] = []
    for at in sorted(times):
        if stretches and _time(at) - _time(stretches[-1][1]) <= SILENCE:
            stretches[-1][1] = at
        else:
            stretches.append([at, at])
    rows = [
        {"c": name, "begin": begin, "end": end, "version": cluster["server_version"], "error": ""}
        for begin, end in stretches
    ]
    if cluster["last_error"] and cluster["error_since"] not in times:
        error = {**dict.fromkeys(("end",)), "begin": cluster["error_since"], "error": cluster["last_error"]}
        rows.append({"c": name, "version": cluster["server_version"], **error})
    elif rows and cluster["removed_at"] is None and rows[-1]["end"] == last_seen:
        rows[-1]["end"] = None
    for row in rows:
        connection.execute(
            sa.text(
                "INSERT INTO cluster_contact (cluster, valid_from, valid_to, version, error) "
                "VALUES (:c, :begin, :end, :version, :error)"
            ),
            row,
        )


def _time(value: str | datetime) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
