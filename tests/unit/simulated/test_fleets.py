"""Generated clusters and the demo's fleet are as they are documented."""

from collections import Counter
from random import Random

import pytest

from fleet.core.objects.node import Resources
from fleet.core.objects.pod import PodRef
from fleet.core.policy.policy import Policy
from fleet.model.behaviour import ClusterBehaviour
from fleet.model.model import Model
from fleet.simulated.demo import (
    CHECKOUT,
    CORDONED,
    DEBUG,
    DRIFTED,
    FAILING,
    NEW,
    POLICY,
    DemoCluster,
    demo_fleet,
)
from fleet.simulated.fleets import make_cluster
from fleet.simulated.shape import POOL_LABEL, PoolShape, Shape
from tests.unit.model.builder import NEW as RELEASE
from tests.unit.model.builder import START

SHAPE = Shape((PoolShape("workers", 12), PoolShape("storage", 3), PoolShape("control", 3, control=True)))


def test_same_seed_makes_the_same_cluster_and_another_seed_another() -> None:
    first, again, other = (make_cluster("east", "fra", SHAPE, [RELEASE], seed, START) for seed in (1, 1, 2))

    assert first == again
    assert first.pods != other.pods


def test_generated_cluster_is_in_a_steady_state() -> None:
    snapshot = make_cluster("east", "fra", SHAPE, [RELEASE], 3, START)
    model = Model.from_snapshot(snapshot, ClusterBehaviour(), Random(1))

    assert model.advance(3600) == []


def test_names_and_uids_are_unique() -> None:
    snapshot = make_cluster("east", "fra", SHAPE, [RELEASE], 3, START)

    for things in (snapshot.nodes, snapshot.pods, snapshot.workloads, snapshot.budgets, snapshot.machines):
        assert max(Counter(thing.uid for thing in things).values()) == 1
    assert max(Counter(pod.ref for pod in snapshot.pods).values()) == 1


def test_pods_fit_on_their_nodes() -> None:
    snapshot = make_cluster("east", "fra", SHAPE, [RELEASE], 3, START)

    used: Counter[str] = Counter()
    for pod in snapshot.pods:
        used[pod.node] += pod.requests.cpu
    assert all(used[node.name] <= node.allocatable.cpu for node in snapshot.nodes)
    assert "" not in used


def test_budgets_of_generated_workloads_let_a_pod_go() -> None:
    snapshot = make_cluster("east", "fra", SHAPE, [RELEASE], 3, START)

    assert snapshot.budgets
    assert all(budget.disruptions_allowed > 0 for budget in snapshot.budgets)


def test_cluster_that_is_too_small_is_refused() -> None:
    small = Shape((PoolShape("workers", 1, Resources(1000, 1 << 30, 110)),), deployments=30)

    with pytest.raises(ValueError, match="no room for pod"):
        make_cluster("east", "fra", small, [RELEASE], 1, START)


@pytest.fixture(scope="module")
def demo() -> dict[str, DemoCluster]:
    return {cluster.name: cluster for cluster in demo_fleet()}


def test_demo_has_three_sites_and_five_clusters_of_which_one_does_not_answer(
    demo: dict[str, DemoCluster],
) -> None:
    assert {cluster.site for cluster in demo.values()} == {"fra", "nyc", "sin"}
    assert [name for name, cluster in demo.items() if cluster.unreachable] == ["edge-3"]
    assert len(demo) == 5
    nodes = [node.name for cluster in demo.values() for node in cluster.snapshot.nodes]
    assert 90 <= len(nodes) <= 140
    assert len(set(nodes)) == len(nodes)


def test_demo_has_one_of_each_obstacle(demo: dict[str, DemoCluster]) -> None:
    east, west = demo["east"].snapshot, demo["west"].snapshot
    workers = {
        node.name
        for snapshot in (east, west)
        for node in snapshot.nodes
        if node.labels[POOL_LABEL] == "workers"
    }
    checkout = next(budget for budget in east.budgets if budget.ref == PodRef("web", "checkout"))
    debug = next(pod for pod in east.pods if pod.ref == PodRef("ops", "debug"))

    assert {FAILING, CORDONED, DRIFTED, CHECKOUT, DEBUG} <= workers
    assert demo["west"].behaviour.failures == {FAILING: "old-version"}
    assert [node.name for node in west.nodes if node.foreign_cordon] == [CORDONED]
    assert (checkout.rule, checkout.disruptions_allowed, checkout.expected_pods) == ("minAvailable 1", 0, 1)
    assert (debug.owner, debug.node) == (None, DEBUG)


def test_demo_runs_several_kernels_and_one_release_of_no_stream(
    demo: dict[str, DemoCluster],
) -> None:
    kernels = Counter(node.kernel for cluster in demo.values() for node in cluster.snapshot.nodes)
    assert len(kernels) == 4

    for cluster in demo.values():
        for node, machine in zip(cluster.snapshot.nodes, cluster.snapshot.machines, strict=True):
            assert machine.booted is not None
            assert (node.kernel, node.boot_id) == (machine.booted.kernel, machine.boot_id)


def test_policy_of_the_demo_is_valid_and_every_node_has_a_pool(demo: dict[str, DemoCluster]) -> None:
    policy = read_policy()

    assert [pool.name for pool in policy.pools] == ["control", "storage", "workers"]
    assert all(policy.target(pool) == NEW for pool in policy.pools)
    for cluster in demo.values():
        for node in cluster.snapshot.nodes:
            pool = policy.pool_of(cluster.name, node)
            assert pool is not None and pool.name == node.labels[POOL_LABEL]


def read_policy() -> Policy:
    from fleet.config.policy import loads

    policy, cautions = loads(POLICY)
    assert cautions == ()
    return policy
