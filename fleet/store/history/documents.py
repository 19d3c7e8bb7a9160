"""Texts of the history, each stored once: for all nodes, or for the one node that it belongs to."""

# ruff: noqa: S608 - the statements have column names of fleet's own alone

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from typing import TypeVar

from fleet.core.records.errors import StoreError
from fleet.store.db.database import TAMPERED, Transaction
from fleet.store.history.parts import OWN

V = TypeVar("V")
SHARED = 0
"""The owner of texts that nodes share."""
AT_ONCE = 500
"""The number of values in one statement."""
Key = tuple[int, str]
"""The owner (the id of a node, or SHARED) and the text."""


def ids_of(transaction: Transaction, keys: Collection[Key]) -> dict[Key, int]:
    """Returns the ids of the texts; new texts are stored.

    They are stored in one order, so that two transactions that store the same texts do not wait for each other.
    """
    by_digest = {(owner, _digest(text)): (owner, text) for owner, text in keys}
    found = _found(transaction, by_digest)
    missing = sorted(key for key in by_digest if key not in found)
    if missing:
        transaction.many(
            "INSERT INTO document (owner, digest, body) VALUES (?, ?, ?) ON CONFLICT (owner, digest) DO NOTHING",
            [(owner, digest, by_digest[owner, digest][1]) for owner, digest in missing],
        )
        found |= _found(transaction, missing)
    return {by_digest[key]: ident for key, ident in found.items()}


def _found(transaction: Transaction, wanted: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
    found: dict[tuple[int, str], int] = {}
    for some in _chunks(list(wanted)):
        pairs = " OR ".join("(owner = ? AND digest = ?)" for _ in some)
        rows = transaction.all(
            f"SELECT owner, digest, id FROM document WHERE {pairs}",
            [value for pair in some for value in pair],
        )
        found |= {(owner, digest): ident for owner, digest, ident in rows}
    return found


def bodies(transaction: Transaction, ids: Collection[int]) -> dict[int, str]:
    """Returns the texts by id. Raises StoreError where one is missing."""
    found: dict[int, str] = {}
    for some in _chunks(sorted(ids)):
        marks = ", ".join("?" for _ in some)
        found |= dict(transaction.all(f"SELECT id, body FROM document WHERE id IN ({marks})", some))
    if len(found) < len(ids):
        raise StoreError("a text of the history is missing", TAMPERED)
    return found


def forget_unused(transaction: Transaction, owners: Iterable[int]) -> None:
    """Deletes the texts of these nodes to which no row of the history refers."""
    used = ", ".join(f"row.{column}" for column in OWN)
    transaction.many(
        "DELETE FROM document WHERE owner = ? AND NOT EXISTS ("
        f"SELECT 1 FROM node_history AS row WHERE row.node = document.owner AND document.id IN ({used}))",
        [(owner,) for owner in owners],
    )


def _digest(text: str) -> str:
    """Returns 128 bits of BLAKE2b, as text."""
    return urlsafe_b64encode(blake2b(text.encode(), digest_size=16).digest()).decode().rstrip("=")


def _chunks(values: Sequence[V]) -> Iterator[list[V]]:
    remaining = iter(values)
    while some := list(islice(remaining, AT_ONCE)):
        yield some
