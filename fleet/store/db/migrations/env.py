"""The script that Alembic runs. The connection, its transaction and its lock are those of `fleet.store.db.migrate`."""

from __future__ import annotations

from alembic import context

from fleet.store.db.schema import VERSION_TABLE
from fleet.store.db.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    # SQLite cannot alter most of a table in place.
    render_as_batch=True,
)
context.run_migrations()
