"""The tables of the history: what was known of nodes, clusters and sources outside of them, with the interval in which it
was known.

A row is valid in [valid_from, valid_to), and goes on while `valid_to` is NULL.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Integer, Text
from sqlmodel import Field

from fleet.store.db.table import MOMENT, Table


class KnownNodeTable(Table, table=True):
    """Names that a cluster has, or had, a node or machine of."""

    __tablename__ = "known_node"
    __table_args__ = (Index("known_node_name", "cluster", "name", unique=True),)

    id: int = Field(primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite"))
    cluster: str = Field(foreign_key="cluster.name")
    name: str
    kubelet_since: datetime | None = Field(sa_type=MOMENT)
    """Since when the node runs the OS image and kernel that its kubelet reports. NULL: there is no node now."""
    agent_since: datetime | None = Field(sa_type=MOMENT)
    """Since when the machine runs the release that its agent reports. NULL: no agent reports one now."""


class DocumentTable(Table, table=True):
    """Texts (JSON) to which rows of `node_history` refer, each stored once."""

    __tablename__ = "document"
    __table_args__ = (Index("document_digest", "owner", "digest", unique=True),)

    id: int = Field(primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite"))
    owner: int = Field(sa_type=BigInteger)
    """The id of the known node to which the text belongs; 0: nodes share it."""
    digest: str
    body: str = Field(sa_type=Text)


class NodeHistoryTable(Table, table=True):
    """Holds what was known of a node and its machine in an interval of time. The intervals of a node never overlap."""

    __tablename__ = "node_history"
    __table_args__ = (
        Index(
            "node_history_now",
            "node",
            unique=True,
            sqlite_where=Column("valid_to").is_(None),
            postgresql_where=Column("valid_to").is_(None),
        ),
        {"sqlite_with_rowid": False},
    )

    node: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    valid_from: datetime = Field(primary_key=True, sa_type=MOMENT)
    valid_to: datetime | None = Field(sa_type=MOMENT)
    """When it was no longer so. NULL: it is so now."""
    source: str
    """How it was learned: `sync`, `watch`, ..."""
    since: datetime | None = Field(sa_type=MOMENT)
    """Since when the node has run its release, over all rows without a gap. NULL: nothing reports its release."""
    node_profile: int | None = Field(sa_type=BigInteger)
    """The document with the node's identity, labels and size. NULL, like all of `node_...`: there was no node."""
    node_boot: int | None = Field(sa_type=BigInteger)
    node_software: int | None = Field(sa_type=BigInteger)
    """The document with OS image, kernel and kubelet, as the kubelet reports them."""
    node_condition: int | None = Field(sa_type=BigInteger)
    """The document with Ready, cordon, taints, annotations."""
    machine_profile: int | None = Field(sa_type=BigInteger)
    """The document with OS family, kernel arguments, layered packages, live patches. NULL, like all of `machine_...`:
    there was no machine."""
    machine_boot: int | None = Field(sa_type=BigInteger)
    machine_software: int | None = Field(sa_type=BigInteger)
    """The document with the booted, staged and rollback release and the kernel, as the agent reports them."""


class ClusterContactTable(Table, table=True):
    """Holds when a cluster answered, or did not. Between two rows nobody asked."""

    __tablename__ = "cluster_contact"

    cluster: str = Field(primary_key=True, foreign_key="cluster.name")
    valid_from: datetime = Field(primary_key=True, sa_type=MOMENT)
    valid_to: datetime | None = Field(sa_type=MOMENT)
    """When it had answered last in this interval, or when it answered again. NULL: the interval goes on; of one that
    answers, `cluster.last_seen` is the end so far."""
    version: str
    """The version of the API server."""
    error: str = Field(sa_type=Text)
    """Why the cluster did not answer. Empty: it answered."""


class SourceTable(Table, table=True):
    """A source, as it was imported last."""

    __tablename__ = "source"

    name: str = Field(primary_key=True)
    kind: str
    """`csv`, `ansible-facts` or `ansible-inventory`."""
    file: str
    """The name of the file or folder, without its path."""
    imported_at: datetime = Field(sa_type=MOMENT)
    imported_by: str


class SourceRecordTable(Table, table=True):
    """Holds what a source had of one machine in an interval of time. The intervals of a machine never overlap."""

    __tablename__ = "source_record"

    source: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    """What names the machine within the source."""
    valid_from: datetime = Field(primary_key=True, sa_type=MOMENT)
    """When it was imported so."""
    valid_to: datetime | None = Field(sa_type=MOMENT)
    """When it was imported otherwise, or was not in the file any more. NULL: it is so now."""
    seen: datetime = Field(sa_type=MOMENT)
    """When the source last had it so, by its own account."""
    body: str = Field(sa_type=Text)
    """The record, as JSON (`fleet.core.sources.record.MachineRecord`)."""
