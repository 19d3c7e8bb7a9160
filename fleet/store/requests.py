"""Counts of requests that controllers have sent to each cluster, by rollout; restarts continue the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from fleet.core.records.requests import RequestKind
from fleet.store.db.database import SqlDatabase


class SqlRequestCounts:
    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def add(self, cluster: str, counts: Mapping[RequestKind, int]) -> None:
        """Adds the counts of requests sent since the last call. Nothing is written where there are none."""
        if not counts:
            return
        with self._database.write("api_request") as transaction:
            for sort, count in counts.items():
                transaction.run(
                    "INSERT INTO api_request (rollout, cluster, verb, resource, count) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (rollout, cluster, verb, resource) "
                    "DO UPDATE SET count = api_request.count + excluded.count",
                    [sort.rollout, cluster, sort.verb, sort.resource, count],
                )

    def of(self, rollout: str) -> Counter[RequestKind]:
        """Returns how many requests were sent to all clusters together for a rollout; for "", those that were for no
        particular rollout."""
        query = "SELECT verb, resource, SUM(count) FROM api_request WHERE rollout = ? GROUP BY verb, resource"
        with self._database.read() as transaction:
            rows = transaction.all(query, [rollout])
        return Counter({RequestKind(rollout, verb, resource): int(count) for verb, resource, count in rows})

    def totals(self) -> dict[tuple[str, str, str], int]:
        """Returns how many requests were sent in all, by cluster, verb and resource."""
        query = "SELECT cluster, verb, resource, SUM(count) FROM api_request GROUP BY cluster, verb, resource"
        with self._database.read() as transaction:
            rows = transaction.all(query)
        return {(cluster, verb, resource): int(count) for cluster, verb, resource, count in rows}
