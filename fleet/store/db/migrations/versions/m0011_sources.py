"""Adds the tables of sources outside of the clusters, such as spreadsheets and facts of Ansible."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")


def upgrade() -> None:
    op.create_table(
        "source",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("file", sa.String, nullable=False),
        sa.Column("imported_at", MOMENT, nullable=False),
        sa.Column("imported_by", sa.String, nullable=False),
    )
    op.create_table(
        "source_record",
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("valid_from", MOMENT, primary_key=True),
        sa.Column("valid_to", MOMENT),
        sa.Column("seen", MOMENT, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
