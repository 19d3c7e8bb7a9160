"""A small fleet whose rollout ends well, whatever happens to its controllers meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet.lab import Lab
from tests.cluster.command import Fleet
from tests.cluster.journal import assert_told_once, entries
from tests.cluster.observer import NodeLimits, Observer
from tests.cluster.rest import Cluster
from tests.cluster.rolling import (
    NEW,
    STREAM,
    active,
    assert_left_clean,
    assert_proven,
    begun_fleet,
    upgraded,
    wait,
)
from tests.cluster.scenario import Budget, Scenario, Workload

NODES = 4
POLICY = f"""{STREAM}\
pools:
  - name: workers
    selector: {{matchLabels: {{fleet.internal/pool: workers}}}}
    limits: {{max_unavailable: 2}}
"""
THINGS = Scenario(
    (
        Workload("Deployment", "web", "front", 6, (Budget("front", max_unavailable=1),)),
        Workload("DaemonSet", "ops", "agent"),
    ),
    obstacles=False,
)


@contextmanager
def planned(lab: Lab, home: Path, kubeconfig: Path | None = None) -> Iterator[tuple[Fleet, Cluster, str]]:
    """A fleet and the plan of its rollout r-1, which must have ended well at the end, each node rebooted once.

    `kubeconfig`: the one that fleet works with; that of the lab's administrator if not given.
    """
    begun = begun_fleet(lab, home, NODES, THINGS, policy=POLICY, pools={"workers": 1}, kubeconfig=kubeconfig)
    with begun as (fleet, cluster, _):
        plan = fleet.json("plan", "--pool", "workers", "--to", NEW)
        with Observer(lab.kubeconfig, NodeLimits(total=2)).watching() as observer:
            yield fleet, cluster, plan["plan_id"]
            assert not active(fleet), "its controller was stopped before its end"
        assert len(upgraded(cluster)) == NODES
        assert len(observer.seen.reboots) == NODES and set(observer.seen.reboots.values()) == {1}
        assert_left_clean(cluster)
        assert_proven(fleet, "r-1", NODES)
        assert_told_once(entries(home, "r-1"))


def until_it_has_written(home: Path, more: int) -> None:
    begun = len(entries(home, "r-1"))
    wait(lambda: len(entries(home, "r-1")) >= begun + more, lambda: str(entries(home, "r-1")[-1]))
