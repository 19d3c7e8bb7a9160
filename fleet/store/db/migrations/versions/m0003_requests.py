"""Adds the table of how many requests were sent to each cluster, and for which rollout."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "api_request",
        sa.Column("rollout", sa.String, primary_key=True),
        sa.Column("cluster", sa.String, primary_key=True),
        sa.Column("verb", sa.String, primary_key=True),
        sa.Column("resource", sa.String, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
