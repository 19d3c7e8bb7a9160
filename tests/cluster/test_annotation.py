"""A StatefulSet whose annotation declares that its pods vote, on a real API server, during a rollout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet.lab import Lab
from tests.background import repeated
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
from tests.cluster.scenario import OBSTACLE, Scenario, Workload, is_ready

LEDGER = Workload("StatefulSet", "db", "ledger", 3, labels=OBSTACLE)
"""No budget, and each pod on a node of its own: nothing but its word keeps its nodes from going all at once."""
POLICY = f"""{STREAM}\
pools:
  - name: workers
    selector: {{matchLabels: {{fleet.internal/pool: workers}}}}
    limits: {{max_unavailable: 6}}
"""
MESSAGE = (
    "StatefulSet db/ledger, annotation fleet.internal/quorum: votes: expected a known key, found 'votes'; "
    "the nearest is voters"
)


def annotate(cluster: Cluster, text: str) -> None:
    cluster.patch(LEDGER.path, {"metadata": {"annotations": {"fleet.internal/quorum": text}}})


class Voters:
    """Knows the fewest pods of the ledger that were ever Ready at a time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.fewest = LEDGER.replicas
        self.looks = 0

    def look(self) -> None:
        pods = self._cluster.get("/api/v1/namespaces/db/pods?labelSelector=app%3Dledger")["items"]
        self.fewest = min(self.fewest, sum(map(is_ready, pods)))
        self.looks += 1


@pytest.mark.timeout(600)
def test_annotation_of_a_quorum_group_takes_effect_during_a_rollout_and_a_wrong_one_holds(
    lab: Lab, tmp_path: Path
) -> None:
    things = Scenario((LEDGER,), obstacles=False)
    with begun_fleet(lab, tmp_path / "home", 6, things, policy=POLICY, pools={"workers": 1}) as (
        fleet,
        cluster,
        _,
    ):
        annotate(cluster, '{"kind": "pods", "votes": 3}')
        fleet.run("sync")
        assert f"not read: {MESSAGE}" in " ".join(fleet.run("status").split())
        found = {
            each["check"]: each["words"]
            for each in json.loads(fleet.run("lint", "-o", "json", code=4))["findings"]
        }
        assert found["annotation-wrong"] == MESSAGE
        plan = fleet.json("plan", "--pool", "workers", "--to", NEW)
        assert [hold["reason"] for hold in plan["held"]] == ["quorum-wrong"] * 3
        carriers = sorted(hold["node"] for hold in plan["held"])
        voters = Voters(cluster)
        with repeated(voters.look, 0.05), fleet.background("run"):
            fleet.run("rollout", "start", plan["plan_id"])
            wait(lambda: len(upgraded(cluster)) == 3, lambda: fleet.run("rollout", "status") + fleet.output)
            assert not upgraded(cluster) & set(carriers)
            assert MESSAGE in " ".join(fleet.run("explain", carriers[0]).split())
            assert voters.fewest == 3
            annotate(cluster, '{"kind": "pods", "voters": 3, "soak": "1s"}')
            wait(lambda: len(upgraded(cluster)) == 6, lambda: fleet.run("rollout", "status") + fleet.output)
            wait(lambda: not active(fleet), lambda: fleet.run("rollout", "status") + fleet.output)
        assert voters.fewest == 2 and voters.looks > 100
        (group,) = [each for each in fleet.json("status")["quorums"] if each["name"] == "east/db/ledger"]
        assert (group["voters"], group["healthy"], group["needed"], group["unread"]) == (3, 3, 2, "")
        assert_proven(fleet, "r-1", 6)
        assert_left_clean(cluster)
