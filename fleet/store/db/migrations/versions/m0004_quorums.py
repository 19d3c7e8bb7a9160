"""Adds the table of quorum groups as they were read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")
NOW = sa.text("valid_to IS NULL")


def upgrade() -> None:
    op.create_table(
        "quorum",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("cluster", sa.String, sa.ForeignKey("cluster.name"), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("uid", sa.String, nullable=False),
        sa.Column("fact", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("valid_from", MOMENT, nullable=False),
        sa.Column("valid_to", MOMENT),
    )
    op.create_index(
        "quorum_now", "quorum", ["cluster", "name"], unique=True, sqlite_where=NOW, postgresql_where=NOW
    )
    op.create_index("quorum_then", "quorum", ["cluster", "name", "valid_from"])
