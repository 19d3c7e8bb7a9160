"""Metrics of nodes: gone with the node, and how far behind the stream a pool is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from fleet.core.metrics.family import MetricFamily
from fleet.core.metrics.nodes import of_nodes
from fleet.core.policy.policy import Policy, Pool
from fleet.core.releases.release import Advisory, Release, Stream
from fleet.core.reporting.node_state import StatusNode
from fleet.core.reporting.status import FleetStatus, StatusCluster, Summary

NOW = datetime(2026, 11, 30, tzinfo=UTC)
OLD = Release("1.0", "sha256:1")
MIDDLE = Release(
    "1.1", released=NOW - timedelta(days=20), advisories=(Advisory("CVE-1", "high"), Advisory("CVE-2"))
)
NEW = Release("1.2", released=NOW - timedelta(days=3), advisories=(Advisory("CVE-3", "high"),))
POLICY = Policy(streams=(Stream("stable", (OLD, MIDDLE, NEW)),), pools=(Pool("workers", stream="stable"),))
PLACE = ("east", "fra", "workers")
NODE = StatusNode(
    cluster="east",
    site="fra",
    zone="a",
    pool="workers",
    name="w-1",
    os="Some OS 1.0",
    version="1.0",
    kernel="6.11.4",
    booted="sha256:1",
    staged="",
    target="1.2",
    state="outdated",
)


def families(
    *nodes: StatusNode, policy: Policy = POLICY, seen: datetime | None = NOW
) -> dict[str, MetricFamily]:
    status = FleetStatus(NOW, (StatusCluster("east", ("fra",), True, seen),), nodes, Summary())
    return {family.name: family for family in of_nodes(status, policy)}


def samples(name: str, *nodes: StatusNode, policy: Policy = POLICY) -> dict[tuple[str, ...], float]:
    return dict(families(*nodes, policy=policy)[name].samples)


def test_node_that_is_gone_has_no_series() -> None:
    two = samples("fleet_node_info", NODE, replace(NODE, name="w-2"))
    assert {labels[1] for labels in two} == {"w-1", "w-2"}
    assert {labels[1] for labels in samples("fleet_node_info", NODE)} == {"w-1"}
    assert samples("fleet_nodes") == {}


def test_every_state_has_a_sample_so_that_an_alert_sees_a_change() -> None:
    found = samples("fleet_nodes", NODE)
    assert found[*PLACE, "outdated"] == 1.0 and found[*PLACE, "failed"] == 0.0


def test_pool_is_as_far_behind_as_its_furthest_node() -> None:
    ahead = replace(NODE, name="w-2", version="1.1", booted="")
    day = 86_400.0
    assert samples("fleet_behind_seconds", ahead) == {PLACE: 3 * day}
    assert samples("fleet_behind_seconds", ahead, NODE) == {PLACE: 20 * day}
    assert samples("fleet_behind_seconds", replace(NODE, version="1.2", booted="")) == {PLACE: 0.0}


def test_unknown_is_no_sample() -> None:
    undated = Policy(streams=(Stream("stable", (OLD, Release("1.3"))),), pools=POLICY.pools)
    assert samples("fleet_behind_seconds", NODE, policy=undated) == {}
    assert samples("fleet_behind_seconds", replace(NODE, version="9", booted="sha256:9")) == {}
    assert families(NODE, seen=None)["fleet_facts_last_refresh_timestamp_seconds"].samples == ()


def test_node_is_exposed_once_for_each_severity_that_it_lacks() -> None:
    assert samples("fleet_exposed_nodes", NODE) == {(*PLACE, "high"): 1.0, (*PLACE, "unknown"): 1.0}
    assert samples("fleet_exposed_nodes", replace(NODE, version="1.1", booted="")) == {(*PLACE, "high"): 1.0}
