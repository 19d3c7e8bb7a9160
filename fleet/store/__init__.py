"""The database: what is known of the fleet, and the journal of what was done. SQLite, or PostgreSQL by a URL."""

from fleet.store.inventory.clusters import ClusterRow
from fleet.store.inventory.inventory import NodeRow
from fleet.store.store import Store

__all__ = ["ClusterRow", "NodeRow", "Store"]
