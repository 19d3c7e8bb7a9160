"""Creates the first schema: clusters, facts with their validity, journal, lease, plans, and what holds nodes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")
NOW = sa.text("valid_to IS NULL")


def upgrade() -> None:
    clusters()
    facts("node", ["name"], texts("boot_id", "os_image", "kernel", "kubelet"), since=True)
    facts("machine", ["name"], texts("boot_id", "os", "version", "digest", "kernel"), since=True)
    facts("pod", ["namespace", "name"], texts("namespace", "node"))
    op.create_index("pod_node", "pod", ["cluster", "node"], sqlite_where=NOW, postgresql_where=NOW)
    facts("budget", ["namespace", "name"], texts("namespace"))
    facts("workload", ["kind", "namespace", "name"], texts("kind", "namespace"))
    journal()
    rollouts()


def clusters() -> None:
    op.create_table("setting", key("key"), sa.Column("value", sa.Text, nullable=False))
    op.create_table("site", key("name"))
    op.create_table(
        "cluster",
        key("name"),
        *texts("kind", "kubeconfig", "context", "uid", "server_version"),
        sa.Column("last_seen", MOMENT),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.Column("error_since", MOMENT),
        sa.Column("removed_at", MOMENT),
    )
    op.create_table(
        "cluster_site",
        sa.Column("cluster", sa.String, sa.ForeignKey("cluster.name"), primary_key=True),
        sa.Column("site", sa.String, sa.ForeignKey("site.name"), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
    )


def facts(table: str, names: list[str], columns: list[sa.Column[str]], *, since: bool = False) -> None:
    op.create_table(
        table,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("cluster", sa.String, sa.ForeignKey("cluster.name"), nullable=False),
        *texts("name", "uid"),
        *columns,
        *([sa.Column("since", MOMENT, nullable=False)] if since else []),
        sa.Column("fact", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        *texts("source"),
        sa.Column("valid_from", MOMENT, nullable=False),
        sa.Column("valid_to", MOMENT),
    )
    op.create_index(
        f"{table}_now", table, ["cluster", *names], unique=True, sqlite_where=NOW, postgresql_where=NOW
    )
    op.create_index(f"{table}_then", table, ["cluster", *names, "valid_from"])


def journal() -> None:
    op.create_table(
        "journal",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", MOMENT, nullable=False),
        *texts("actor"),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        *texts("form", "kind", "rollout", "node"),
        sa.Column("detail", sa.Text, nullable=False),
        *texts("prev_hash", "hash"),
    )
    op.create_index("journal_rollout", "journal", ["rollout", "seq"])
    op.create_index("journal_node", "journal", ["node", "seq"])
    op.create_table(
        "checkpoint",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        *texts("hash"),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "lease",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        *texts("holder"),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("expires_at", MOMENT),
    )


def rollouts() -> None:
    op.create_table(
        "plan",
        key("id"),
        sa.Column("start", MOMENT, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "held",
        key("rollout"),
        key("node"),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
    )
    op.create_index("held_node", "held", ["node"])


def key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String, primary_key=True)


def texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, nullable=False) for name in names]
