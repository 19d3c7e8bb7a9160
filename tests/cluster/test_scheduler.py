"""Where drained pods land: fleet's guard and the planner's scheduler against the real kube-scheduler."""

from __future__ import annotations

from collections import Counter

from fleet.lab import Lab
from tests.cluster.placement import clean_volumes, landings
from tests.cluster.rest import Cluster

PUZZLES = 200
FIRST = 77_000
MOST_BY_ORDER = 0.05
"""Of several pods that compete for the last room the real scheduler's order decides who gets it."""


def test_drained_pods_are_scheduled_where_fleet_predicts(lab: Lab, cluster: Cluster) -> None:
    try:
        verdicts = landings(lab, cluster, range(FIRST, FIRST + PUZZLES))
    finally:
        clean_volumes(cluster)
    kinds = Counter(each.kind for each in verdicts)
    assert not [each for each in verdicts if each.kind.startswith("WRONG")]
    by_order = [each for each in verdicts if each.kind.startswith("order")]
    assert len(by_order) <= MOST_BY_ORDER * PUZZLES, by_order
    # Both answers come by, or the test would prove little.
    assert min(kinds["a place for all"], kinds["no place"]) > PUZZLES / 5, kinds
    alone = [each for each in verdicts if each.going == 1 and not each.preempted]
    assert len(alone) > PUZZLES / 2
    assert not [each for each in alone if bool(each.model) != bool(each.waiting)]
