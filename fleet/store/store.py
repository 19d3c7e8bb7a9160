"""The opened database of a home, with access to all of its tables."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from fleet.store.db.address import DatabaseAddress, missing
from fleet.store.db.database import SqlDatabase
from fleet.store.db.schema import NEWEST, version
from fleet.store.db.sqlite import SqliteDatabase
from fleet.store.history.software import SqlSoftwareHistory
from fleet.store.inventory.alike import SqlAlikeNodes
from fleet.store.inventory.clusters import Clusters
from fleet.store.inventory.held import SqlBlockerStore
from fleet.store.inventory.inventory import SqlInventory
from fleet.store.inventory.sources import SqlSources
from fleet.store.jobs import SqlJobs
from fleet.store.journal.checkpoints import Checkpoints
from fleet.store.journal.folds import SqlFolds
from fleet.store.journal.journal import SqlJournal
from fleet.store.journal.lease import ControllerLease
from fleet.store.messages import SqlMessages
from fleet.store.plans import Plans
from fleet.store.requests import SqlRequestCounts
from fleet.store.settings import HomeSettings


class Store:
    """One connection, for one process. Threads may share the connection, and wait for each other."""

    def __init__(self, database: SqlDatabase) -> None:
        """Makes the store of a database that is at the newest schema."""
        self.database = database
        self.journal = SqlJournal(database)
        self.checkpoints = Checkpoints(database)
        self.lease = ControllerLease(database)
        self.clusters = Clusters(database)
        self.inventory = SqlInventory(database)
        self.alike = SqlAlikeNodes(database)
        self.software = SqlSoftwareHistory(database)
        self.sources = SqlSources(database)
        self.plans = Plans(database)
        self.held = SqlBlockerStore(database)
        self.requests = SqlRequestCounts(database)
        self.folds = SqlFolds(database)
        self.jobs = SqlJobs(database)
        self.settings = HomeSettings(database)
        self.messages = SqlMessages(database)

    @classmethod
    def open(cls, place: str | Path, *, create: bool = True) -> Store:
        """Opens the database and brings an older schema to the newest. `place` is the path of an SQLite file, or a URL
        (`DatabaseAddress.parse`).

        `create`: create the SQLite file, or the tables in an empty PostgreSQL database; the folder, or the database,
        must exist. Raises SchemaError where the schema is too new for this program, or not fleet's; StoreError where
        the database is missing, locked, full or refuses; UsageError for a text that is no URL.
        """
        address = DatabaseAddress.parse(place)
        database = _connect(address, create)
        try:
            found = version(database)
            if not found and not create:
                raise missing(address)
            if found < NEWEST:
                from fleet.store.db.migrate import migrate

                migrate(address)
            database.settle()
        except BaseException:
            database.close()
            raise
        return cls(database)

    @property
    def shown(self) -> str:
        """Returns where the database is, for messages."""
        return self.database.address.shown

    def risks(self) -> tuple[str, ...]:
        """Returns what a failover or a crash of the database's server may lose, each with the remedy. Raises
        StoreError."""
        if self.database.address.kind == "sqlite":
            return ()
        from fleet.store.db.postgres.durability import durability, risks

        return risks(durability(self.database))

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _connect(address: DatabaseAddress, create: bool) -> SqlDatabase:
    if address.kind == "sqlite":
        return SqliteDatabase(address, create=create)
    from fleet.store.db.postgres.database import PostgresDatabase

    return PostgresDatabase(address)
