"""Small values that a home remembers, such as what kind of home it is."""

from __future__ import annotations

from fleet.store.db.database import SqlDatabase, Transaction


class HomeSettings:
    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def get(self, key: str) -> str | None:
        with self._database.read() as transaction:
            row = transaction.one("SELECT value FROM setting WHERE key = ?", [key])
        return None if row is None else str(row[0])

    def set(self, key: str, value: str) -> None:
        with self._database.write("setting") as transaction:
            set_in(transaction, key, value)

    def keep(self, key: str, value: str) -> None:
        """Sets the value of a key that has no value yet; a value that exists stays."""
        if self.get(key) is not None:
            return
        with self._database.write("setting") as transaction:
            transaction.run(
                "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING", [key, value]
            )


def set_in(transaction: Transaction, key: str, value: str) -> None:
    transaction.run(
        "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [key, value],
    )
