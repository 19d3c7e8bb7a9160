"""The tables. Migrations create them (`migrations/`), and a test holds the two together.

What is known of a cluster's objects is kept as facts: a row for each interval in which the fact was the same,
[valid_from, valid_to), `valid_to` NULL while it is so. `fact` and `state` are JSON objects that together make the
object; a change of `fact` opens a new row, `state` is only ever that of now (or of the interval's end).
The columns beside them repeat what people and queries look for.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, MetaData, String, Text
from sqlmodel import Field, SQLModel

MOMENT = DateTime(timezone=True).with_variant(String(32), "sqlite")
"""`timestamptz` on PostgreSQL; on SQLite text of one length, in UTC (see `SqliteDatabase.bind`)."""


class Table(SQLModel):
    metadata = MetaData()


class SettingTable(Table, table=True):
    __tablename__ = "setting"

    key: str = Field(primary_key=True)
    value: str = Field(sa_type=Text)


class SiteTable(Table, table=True):
    __tablename__ = "site"

    name: str = Field(primary_key=True)


class ClusterTable(Table, table=True):
    __tablename__ = "cluster"

    name: str = Field(primary_key=True)
    kind: str
    """`kubeconfig` or `simulated`."""
    kubeconfig: str
    """Path."""
    context: str
    uid: str
    """Of the namespace kube-system: the cluster's identity."""
    server_version: str
    last_seen: datetime | None = Field(sa_type=MOMENT)
    last_error: str = Field(sa_type=Text)
    """Why it does not answer; empty while it does."""
    error_since: datetime | None = Field(sa_type=MOMENT)
    removed_at: datetime | None = Field(sa_type=MOMENT)
    """It is no longer in the fleet; its history stays."""


class ClusterSiteTable(Table, table=True):
    __tablename__ = "cluster_site"

    cluster: str = Field(primary_key=True, foreign_key="cluster.name")
    site: str = Field(primary_key=True, foreign_key="site.name")
    position: int
    """The first is the site of nodes that do not name theirs."""


class Fact(Table):
    """The columns of every table of facts."""

    id: int = Field(primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite"))
    cluster: str = Field(foreign_key="cluster.name")
    name: str
    uid: str
    fact: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    source: str
    """Who said so: `sync`, `watch`, `dump`, ..."""
    valid_from: datetime = Field(sa_type=MOMENT)
    valid_to: datetime | None = Field(sa_type=MOMENT)
    """NULL: it is so now."""


def _indexes(table: str, *key: str) -> tuple[Index, Index, Index]:
    """Returns the indexes of a table of facts: one object has one row that is valid now; the way to any other moment;
    and to what ended long ago."""
    return (
        Index(
            f"{table}_now",
            "cluster",
            *key,
            unique=True,
            sqlite_where=Column("valid_to").is_(None),
            postgresql_where=Column("valid_to").is_(None),
        ),
        Index(f"{table}_then", "cluster", *key, "valid_from"),
        Index(
            f"{table}_ended",
            "valid_to",
            sqlite_where=Column("valid_to").is_not(None),
            postgresql_where=Column("valid_to").is_not(None),
        ),
    )


class NodeTable(Fact, table=True):
    """What the API server says of a node."""

    __tablename__ = "node"
    __table_args__ = _indexes("node", "name")

    boot_id: str
    os_image: str
    kernel: str
    kubelet: str
    since: datetime = Field(sa_type=MOMENT)
    """Since when its OS image and kernel are these, over all rows without a break."""


class MachineTable(Fact, table=True):
    """What the agent of a node says of the machine under it."""

    __tablename__ = "machine"
    __table_args__ = _indexes("machine", "name")

    boot_id: str
    os: str
    version: str
    """Of the booted release, as is the digest."""
    digest: str
    kernel: str
    since: datetime = Field(sa_type=MOMENT)
    """Since when the booted release is this, over all rows without a break."""


class PodTable(Fact, table=True):
    __tablename__ = "pod"
    __table_args__ = (
        *_indexes("pod", "namespace", "name"),
        Index(
            "pod_node",
            "cluster",
            "node",
            sqlite_where=Column("valid_to").is_(None),
            postgresql_where=Column("valid_to").is_(None),
        ),
    )

    namespace: str
    node: str


class BudgetTable(Fact, table=True):
    __tablename__ = "budget"
    __table_args__ = _indexes("budget", "namespace", "name")

    namespace: str


class WorkloadTable(Fact, table=True):
    __tablename__ = "workload"
    __table_args__ = _indexes("workload", "kind", "namespace", "name")

    kind: str
    namespace: str


class QuorumTable(Fact, table=True):
    """A quorum group: its members as they were read last."""

    __tablename__ = "quorum"
    __table_args__ = _indexes("quorum", "name")


class MaintenanceTable(Fact, table=True):
    """An object by which another party says that it works on a node."""

    __tablename__ = "maintenance"
    __table_args__ = _indexes("maintenance", "kind", "namespace", "name")

    kind: str
    namespace: str


class JournalTable(Table, table=True):
    """The journal: append-only, hash-chained (`fleet.core.records.journal.JournalEntry`)."""

    __tablename__ = "journal"
    __table_args__ = (Index("journal_rollout", "rollout", "seq"), Index("journal_node", "node", "seq"))

    seq: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(sa_type=MOMENT)
    actor: str
    epoch: int = Field(sa_type=BigInteger)
    form: str
    kind: str
    rollout: str
    node: str
    detail: str = Field(sa_type=Text)
    """JSON, canonical."""
    prev_hash: str
    hash: str


class CheckpointTable(Table, table=True):
    """One row: where the journal's chain ends, so that it is seen when the end is cut off."""

    __tablename__ = "checkpoint"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    seq: int = Field(sa_type=BigInteger)
    hash: str
    count: int = Field(sa_type=BigInteger)


class SignedCheckpointTable(Table, table=True):
    """Where the chain once ended, signed (`fleet.core.records.audit.SignedCheckpoint`). Append-only."""

    __tablename__ = "signed_checkpoint"

    seq: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    key: str = Field(primary_key=True)
    hash: str
    count: int = Field(sa_type=BigInteger)
    at: datetime = Field(sa_type=MOMENT)
    signature: str


class LeaseTable(Table, table=True):
    """One row: who controls the fleet of this database."""

    __tablename__ = "lease"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    holder: str
    """Empty: nobody."""
    epoch: int = Field(sa_type=BigInteger)
    expires_at: datetime | None = Field(sa_type=MOMENT)


class PlanTable(Table, table=True):
    __tablename__ = "plan"

    id: str = Field(primary_key=True)
    start: datetime = Field(sa_type=MOMENT)
    summary: str = Field(sa_type=Text)
    """JSON: what a list of plans shows."""
    body: str = Field(sa_type=Text)
    """JSON: the plan (`docs/schemas/plan.json`)."""


class HeldTable(Table, table=True):
    """What holds a node in a rollout now, written by the controller for everybody else."""

    __tablename__ = "held"
    __table_args__ = (Index("held_node", "node"),)

    rollout: str = Field(primary_key=True)
    node: str = Field(primary_key=True)
    """`cluster/name`."""
    since: datetime = Field(sa_type=MOMENT)
    reasons: str = Field(sa_type=Text)
    """JSON."""


class FoldTable(Table, table=True):
    """A rollout as it stood at the entry that `fold_place` names."""

    __tablename__ = "fold"

    rollout: str = Field(primary_key=True)
    number: int = Field(sa_type=BigInteger)
    """In the order of starts."""
    body: str = Field(sa_type=Text)
    """JSON."""


class FoldPlaceTable(Table, table=True):
    """The entry of the journal that the kept rollouts stand at: one row, or none."""

    __tablename__ = "fold_place"

    seq: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    hash: str


class ApiRequestTable(Table, table=True):
    """How many requests controllers have sent."""

    __tablename__ = "api_request"

    rollout: str = Field(primary_key=True)
    """Empty: for none in particular (lists, watches, leases)."""
    cluster: str = Field(primary_key=True)
    verb: str = Field(primary_key=True)
    resource: str = Field(primary_key=True)
    count: int = Field(sa_type=BigInteger)
