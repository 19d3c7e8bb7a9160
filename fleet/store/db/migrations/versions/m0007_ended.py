"""Adds the indexes by which facts that ended long ago are found and deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = ("node", "machine", "pod", "budget", "workload", "quorum", "maintenance")
ENDED = sa.text("valid_to IS NOT NULL")


def upgrade() -> None:
    for table in TABLES:
        op.create_index(f"{table}_ended", table, ["valid_to"], sqlite_where=ENDED, postgresql_where=ENDED)
