"""An API server that goes away, that has forgotten, that is overloaded, all in the middle of one rollout."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from fleet.lab import Lab
from tests.cluster.command import Fleet
from tests.cluster.controllers import controller
from tests.cluster.journal import entries
from tests.cluster.planned import planned, until_it_has_written
from tests.cluster.rest import Cluster
from tests.cluster.rolling import active, wait
from tests.cluster.throttle import Throttle
from tests.cluster.tokens import kubeconfig_with, token

REFUSALS = 4
POLITE = 5.0
"""Most requests a second to a server that refuses them all with `Retry-After: 1`."""
WINDOW = 10.0
"""Seconds at least over which they are counted: the first may all come at once."""


def test_rollout_with_an_absent_node_a_compaction_and_an_overload(fresh_lab: Lab, tmp_path: Path) -> None:
    home, kubeconfig = tmp_path / "home", tmp_path / "kubeconfig"
    shutil.copy(fresh_lab.kubeconfig, kubeconfig)
    with planned(fresh_lab, home, kubeconfig) as (fleet, cluster, plan):
        throttle = Throttle(cluster, fresh_lab.kubeconfig, tmp_path)
        # The administrator is never refused: from here on fleet has its own account.
        kubeconfig_with(fresh_lab.kubeconfig, token(cluster, None, "fleet-controller"), kubeconfig)
        with controller(home, "only") as only:
            only.until_it_leads()
            fleet.run("rollout", "start", plan)
            wait(lambda: any(entry.kind == "evict" for entry in entries(home, "r-1")), lambda: only.output)
            go_away_and_come_back(fresh_lab, fleet)
            until_it_has_written(home, 3)
            only.stop()
            forget(fresh_lab, cluster)
            only.wake()
            until_it_has_written(home, 3)
            overload(throttle)
            wait(lambda: not active(fleet), lambda: only.output)
        shutil.copy(fresh_lab.kubeconfig, kubeconfig)


def go_away_and_come_back(lab: Lab, fleet: Fleet) -> None:
    """Until fleet says so."""
    lab.stop_apiserver()
    wait(lambda: not reachable(fleet), lambda: fleet.run("cluster", "list"))
    lab.start_apiserver()
    wait(lambda: reachable(fleet), lambda: fleet.run("cluster", "list"))


def reachable(fleet: Fleet) -> bool:
    (row,) = fleet.json("cluster", "list")
    return bool(row["reachable"])


def forget(lab: Lab, cluster: Cluster) -> None:
    """Watches that break off can not go on from where they were."""
    old = cluster.get("/api/v1/nodes")["metadata"]["resourceVersion"]
    lab.stop_apiserver()
    lab.compact_etcd()
    lab.start_apiserver()
    watch = cluster.open(f"/api/v1/nodes?watch=true&timeoutSeconds=1&resourceVersion={int(old) - 100}")
    assert json.loads(next(iter(watch.read().splitlines())))["object"]["code"] == 410


def overload(throttle: Throttle) -> None:
    before, begun = throttle.refused(), time.monotonic()
    with throttle.closed():
        wait(
            lambda: throttle.refused() >= before + REFUSALS and time.monotonic() > begun + WINDOW,
            lambda: f"{throttle.refused() - before} refused",
            300,
        )
        refused, seconds = throttle.refused() - before, time.monotonic() - begun
    print(f"{refused} requests refused in {seconds:.0f} s")
    assert refused / seconds < POLITE
