"""The script that Alembic runs. The connection, its transaction and its lock are those of `fleet.store.db.migrate`."""

from __future__ import annotations

from alembic import context

from fleet.store.db.message_table import MessageTable
from fleet.store.db.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    # The metadata of all tables: this module is the last that adds to it.
    target_metadata=MessageTable.metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    # SQLite cannot alter most of a table in place.
    render_as_batch=True,
)
context.run_migrations()
