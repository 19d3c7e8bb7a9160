"""The tables of the database. Migrations create them (`migrations/`), and a test compares the two.

Objects of a cluster are kept as they are now, one row each: `fact` and `state` are JSON objects that together make the
object, and the other columns repeat fields that users and queries look for. Nodes and their machines have history too
(`fleet.store.db.history_tables`).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, Text
from sqlmodel import Field

from fleet.store.db import history_tables, message_table
from fleet.store.db.table import MOMENT, Table

__all__ = ["Table", "history_tables", "message_table"]


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
    """The kind of cluster: `kubeconfig`, `hosts` or `simulated`."""
    kubeconfig: str
    """The path of the kubeconfig."""
    context: str
    uid: str
    """The uid of the namespace kube-system: the cluster's identity."""
    server_version: str
    last_seen: datetime | None = Field(sa_type=MOMENT)
    last_error: str = Field(sa_type=Text)
    """Why the cluster does not answer; empty while it does."""
    error_since: datetime | None = Field(sa_type=MOMENT)
    removed_at: datetime | None = Field(sa_type=MOMENT)
    """When the cluster was removed from the fleet; its history stays. NULL: the cluster is in the fleet."""


class ClusterSiteTable(Table, table=True):
    __tablename__ = "cluster_site"

    cluster: str = Field(primary_key=True, foreign_key="cluster.name")
    site: str = Field(primary_key=True, foreign_key="site.name")
    position: int
    """The position among the cluster's sites. The first is the site of nodes that do not name theirs."""


class Fact(Table):
    """The columns that every table of facts has."""

    id: int = Field(primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite"))
    cluster: str = Field(foreign_key="cluster.name")
    name: str
    uid: str
    fact: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    content: int = Field(sa_type=BigInteger)
    """A hash of all of the object, by which an unchanged one is recognized."""
    source: str
    """How the fact was learned: `sync`, `watch`, `dump`, ..."""
    valid_from: datetime = Field(sa_type=MOMENT)
    """Since when the object is as this row has it."""


def _one_row(table: str, *key: str) -> Index:
    """Returns the index that allows one row for each object."""
    return Index(f"{table}_now", "cluster", *key, unique=True)


class NodeTable(Fact, table=True):
    """Nodes as the API server reports them."""

    __tablename__ = "node"
    __table_args__ = (_one_row("node", "name"),)

    boot_id: str
    os_image: str
    kernel: str
    kubelet: str


class MachineTable(Fact, table=True):
    """Machines under nodes as their agents report them."""

    __tablename__ = "machine"
    __table_args__ = (_one_row("machine", "name"),)

    boot_id: str
    os: str
    version: str
    """The version of the booted release; the digest is that of the booted release too."""
    digest: str
    kernel: str


class PodTable(Fact, table=True):
    __tablename__ = "pod"
    __table_args__ = (_one_row("pod", "namespace", "name"), Index("pod_node", "cluster", "node"))

    namespace: str
    node: str


class BudgetTable(Fact, table=True):
    __tablename__ = "budget"
    __table_args__ = (_one_row("budget", "namespace", "name"),)

    namespace: str


class WorkloadTable(Fact, table=True):
    __tablename__ = "workload"
    __table_args__ = (_one_row("workload", "kind", "namespace", "name"),)

    kind: str
    namespace: str


class QuorumTable(Fact, table=True):
    """Quorum groups with their members, as they were read last."""

    __tablename__ = "quorum"
    __table_args__ = (_one_row("quorum", "name"),)


class MaintenanceTable(Fact, table=True):
    """Objects by which other parties announce their work on nodes."""

    __tablename__ = "maintenance"
    __table_args__ = (_one_row("maintenance", "kind", "namespace", "name"),)

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
    """The record as canonical JSON."""
    prev_hash: str
    hash: str


class CheckpointTable(Table, table=True):
    """One row: where the journal's chain ends, so that a removed end is noticed."""

    __tablename__ = "checkpoint"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    seq: int = Field(sa_type=BigInteger)
    hash: str
    count: int = Field(sa_type=BigInteger)


class SignedCheckpointTable(Table, table=True):
    """Signed checkpoints: where the chain once ended (`fleet.core.records.audit.SignedCheckpoint`). Append-only."""

    __tablename__ = "signed_checkpoint"

    seq: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    key: str = Field(primary_key=True)
    hash: str
    count: int = Field(sa_type=BigInteger)
    at: datetime = Field(sa_type=MOMENT)
    signature: str


class LeaseTable(Table, table=True):
    """One row: which controller leads the fleet of this database."""

    __tablename__ = "lease"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    holder: str
    """The identity of the holder. Empty: there is none."""
    epoch: int = Field(sa_type=BigInteger)
    expires_at: datetime | None = Field(sa_type=MOMENT)


class PlanTable(Table, table=True):
    __tablename__ = "plan"

    id: str = Field(primary_key=True)
    start: datetime = Field(sa_type=MOMENT)
    summary: str = Field(sa_type=Text)
    """The columns of a list of plans, as JSON."""
    body: str = Field(sa_type=Text)
    """The plan as JSON (`docs/schemas/plan.json`)."""


class HeldTable(Table, table=True):
    """The reasons that hold a node in a rollout now. The controller writes these rows; all other processes read
    them."""

    __tablename__ = "held"
    __table_args__ = (Index("held_node", "node"),)

    rollout: str = Field(primary_key=True)
    node: str = Field(primary_key=True)
    """The node, as `cluster/name`."""
    since: datetime = Field(sa_type=MOMENT)
    reasons: str = Field(sa_type=Text)
    """The reasons, as JSON."""


class FoldTable(Table, table=True):
    """Rollouts as they stood at the entry that `fold_place` names."""

    __tablename__ = "fold"

    rollout: str = Field(primary_key=True)
    number: int = Field(sa_type=BigInteger)
    """The rollout's number in the order of starts."""
    body: str = Field(sa_type=Text)
    """The rollout, as JSON."""


class FoldPlaceTable(Table, table=True):
    """The journal entry at which the kept rollouts stood: one row, or none."""

    __tablename__ = "fold_place"

    seq: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    hash: str


class ApiRequestTable(Table, table=True):
    """The number of requests that controllers have sent, for each cluster and rollout."""

    __tablename__ = "api_request"

    rollout: str = Field(primary_key=True)
    """The rollout that the requests were for. Empty: no particular one (lists, watches, leases)."""
    cluster: str = Field(primary_key=True)
    verb: str = Field(primary_key=True)
    resource: str = Field(primary_key=True)
    count: int = Field(sa_type=BigInteger)


class JobTable(Table, table=True):
    """Scheduled jobs (`fleet.core.jobs.job.JobState`)."""

    __tablename__ = "job"

    name: str = Field(primary_key=True)
    next_at: datetime = Field(sa_type=MOMENT)
    due_at: datetime | None = Field(sa_type=MOMENT)
    began_at: datetime | None = Field(sa_type=MOMENT)
    ended_at: datetime | None = Field(sa_type=MOMENT)
    outcome: str
    message: str = Field(sa_type=Text)
    missed: int
