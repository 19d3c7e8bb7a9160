"""The clusters of the quarter."""

from __future__ import annotations

from datetime import UTC, datetime

from fleet.core.objects.node import Resources
from fleet.model.behaviour import ClusterBehaviour, SpreadLength
from fleet.simulated.demo import DemoCluster, stacked_etcd
from fleet.simulated.fleets import make_cluster
from fleet.simulated.quarter.releases import DEFECTIVE, FIRST
from fleet.simulated.shape import PoolShape, Shape

BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
END = datetime(2027, 1, 1, 6, tzinfo=UTC)
"""The morning after the quarter: by then its report has been written."""
SEED = 26

BROKEN = "n-0105"
"""A node in nyc that boots its old version until its disk is replaced."""
BROKEN_CLUSTER = "nyc-1"

WORKER = Resources(8000, 32 << 30, 110)
CONTROL = Resources(4000, 8 << 30, 60)
SITES = (("fra-1", "fra", 40, 1), ("nyc-1", "nyc", 32, 101), ("sin-1", "sin", 16, 201))
"""Each cluster with its site, the number of its workers, and the number of its first node."""


def quarter_fleet(scale: float = 1.0) -> tuple[DemoCluster, ...]:
    """Returns the clusters as they are when the quarter begins. `scale`: the share of the workers that there are."""
    found = []
    for cluster, site, workers, first in SITES:
        pools = (
            PoolShape("workers", max(6, round(workers * scale)), WORKER),
            PoolShape("control", 3, CONTROL, control=True),
        )
        shape = Shape(
            pools, tuple(f"{site}-{zone}" for zone in "abc"), deployments=12, sets=2, jobs=0, first=first
        )
        snapshot = stacked_etcd(make_cluster(cluster, site, shape, [FIRST], SEED, BEGIN))
        found.append(DemoCluster(cluster, site, snapshot, behaviour(cluster)))
    return tuple(found)


def behaviour(cluster: str, repaired: bool = False) -> ClusterBehaviour:
    """Returns how a cluster behaves, before and after the disk of the broken node was replaced."""
    broken = cluster == BROKEN_CLUSTER and not repaired
    return ClusterBehaviour(
        pod_start=SpreadLength(5, 30),
        pod_restart=SpreadLength(3, 8),
        pod_stop=SpreadLength(3, 15),
        stage=SpreadLength(90, 240),
        reboot=SpreadLength(80, 180),
        agent=SpreadLength(0.5, 2),
        budget=0.3,
        failures={BROKEN: "old-version"} if broken else {},
        defects={DEFECTIVE.version: "unit-fails"},
    )
