"""The database: the inventory of the fleet and the journal of all actions, in SQLite or, by a URL, in PostgreSQL."""

from fleet.store.inventory.clusters import ClusterRow
from fleet.store.store import Store

__all__ = ["ClusterRow", "Store"]
