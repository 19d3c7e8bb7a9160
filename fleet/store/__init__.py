"""The database: what is known of the fleet, and the journal of what was done. SQLite, or PostgreSQL by a URL."""

from fleet.store.clusters import ClusterRow
from fleet.store.inventory import NodeRow
from fleet.store.store import Store

__all__ = ["ClusterRow", "NodeRow", "Store"]
