"""What an annotation on a workload means, and what is reported of an invalid one."""

from __future__ import annotations

import json

import pytest

from fleet.config import declared_by, loads
from fleet.core.objects.selector import Selector
from fleet.core.objects.workload import Workload
from fleet.core.quorum.groups import QuorumGroup, settled
from fleet.core.quorum.presets import PRESETS, default_rule
from fleet.core.quorum.probe import HttpProbe, Probe, ProbeTerm
from fleet.core.quorum.quorum import QuorumRule
from tests.golden import GoldenFiles

APP = Selector({"app": "zk"})
PLACE = "StatefulSet data/zk, annotation fleet.internal/quorum"
WRITTEN = (
    "kind: pods, voters: 3, margin: 1, stretch: allow, soak: 2m, downtime: allow, stale: 1m, lag_entries: 5, "
    "spread: zone, "
    "probe: {http: {port: 80, path: /state}, leader: role=leader, lag: lag}"
)
JSON = (
    '{"kind": "pods", "voters": 3, "margin": 1, "stretch": "allow", "soak": "2m", "downtime": "allow", '
    '"stale": "1m", "lag_entries": 5, "spread": "zone", '
    '"probe": {"http": {"port": 80, "path": "/state"}, "leader": "role=leader", "lag": "lag"}}'
)


def declared(
    written: str | None, kind: str = "StatefulSet", name: str = "zk", selector: Selector | None = APP
) -> QuorumGroup:
    return declared_by(Workload(kind, "data", name, f"u-{name}", quorum=written, selector=selector), "east")


@pytest.mark.parametrize("kind", [kind for kind in PRESETS if kind != "kafka"])
@pytest.mark.parametrize("workload", ["StatefulSet", "Deployment", "DaemonSet"])
def test_kind_alone_is_enough(kind: str, workload: str) -> None:
    found = declared(kind, workload)
    assert (found.name, found.cluster, found.kind, found.wrong) == ("east/data/zk", "east", kind, "")
    assert found.members is not None
    assert (found.members.namespace, found.members.selector) == ("data", APP)
    assert found.members.probe == PRESETS[found.kind] and found.rule == default_rule(found.kind)
    assert found.source == f"{workload} data/zk"


@pytest.mark.parametrize("written", [f"{{{WRITTEN}}}", JSON])
def test_mapping_means_what_it_means_in_the_policy(written: str) -> None:
    found = declared(written)
    policy, _ = loads(
        f"pools: [{{name: w}}]\nquorums: [{{name: zk, cluster: east, namespace: data, "
        f"selector: {{matchLabels: {{app: zk}}}}, {WRITTEN}}}]"
    )
    meant = policy.quorums[0]
    assert meant.members is not None and found.members is not None
    assert found.wrong == "" and found.rule == meant.rule == QuorumRule(1, 5, 60, "allow", "allow", 120)
    assert found.spread == meant.spread == "zone" and declared("pods").spread == "site"
    assert found.members.voters == meant.members.voters == 3
    assert found.members.probe == meant.members.probe
    assert found.members.probe == Probe(
        HttpProbe(80, "/state"), leader=ProbeTerm("role", ("leader",)), lag="lag", name=""
    )
    assert found.name == meant.full_name


def test_command_is_run_in_the_pods_of_the_workload_alone(golden: GoldenFiles) -> None:
    found = declared("kafka").members
    assert found is not None and found.owner == "u-zk"
    wrong = declared("kafka", "Deployment").wrong
    golden.check(wrong)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", "expected zookeeper or consul or cockroachdb or kafka or patroni or pods, or a mapping with the key "
         "kind, found neither"),
        ("zokeeper", "kind: expected zookeeper or consul or cockroachdb or kafka or patroni or pods, found "
         "'zokeeper'; the nearest is zookeeper"),
        ("etcd", "kind: expected zookeeper or consul or cockroachdb or kafka or patroni or pods, found 'etcd'"),
        ("true", "kind: expected zookeeper or consul or cockroachdb or kafka or patroni or pods, found the boolean "
         "true (text needs quotes)"),
        ("[zookeeper]", "expected zookeeper or consul or cockroachdb or kafka or patroni or pods, or a mapping with "
         "the key kind, found neither"),
        ("{kind: pods, margin: -1}", "margin: expected a whole number from 0 on, found '-1'"),
        ("{kind: pods, votes: 3}", "votes: expected a known key, found 'votes'; the nearest is voters"),
        ("{kind: pods, namespace: other}", "namespace: expected a known key, found 'namespace'; the nearest is name"),
        ("{kind: pods, snapshot: {directory: /etc}}", "snapshot: expected a known key, found 'snapshot'"),
        ("{kind: pods, margin: x, soak: y}", "margin: expected a whole number from 0 on, found 'x'; soak: expected a "
         "duration such as 90s, 5m or 1h30m, at most 30d, found 'y'"),
        ("{kind: pods", "2: not YAML: while parsing a flow mapping did not find expected ',' or '}'"),
        ("kind: pods\nmargin: x", "2: margin: expected a whole number from 0 on, found 'x'"),
        ("\x07", "expected text, found the character '\\x07'"),
    ],
)  # fmt: skip
def test_mistake_is_reported_with_object_and_key_and_holds_the_members(written: str, message: str) -> None:
    found = declared(written)
    assert found.wrong == f"{PLACE}: {message}"
    assert (found.name, found.kind, found.rule) == ("east/data/zk", "pods", QuorumRule())
    assert found.members is not None and found.members.selector == APP and found.members.probe is None


def test_hostile_annotations_are_refused_quickly(golden: GoldenFiles) -> None:
    deep = declared("[" * 8000)
    many = declared("{" + ", ".join(f"k{number}: 1" for number in range(500)) + "}")
    golden.check(f"{deep.wrong}\n{declared('#' * 8193).wrong}")
    assert many.wrong.count("expected a known key") == 3 and many.wrong.endswith(" more")


def test_workload_without_a_selector_may_match_any_pod_of_its_namespace() -> None:
    found = declared("zookeeper", selector=None)
    assert "has no selector" in found.wrong and found.members is not None
    assert found.members.selector == Selector()


def test_policy_wins_over_an_annotation_of_the_same_name() -> None:
    policy, _ = loads("""\
pools: [{name: w}]
quorums:
  - {name: zk, cluster: east, namespace: data, kind: pods, selector: {matchLabels: {app: zk}}}
  - {name: other, cluster: east, namespace: elsewhere, kind: pods, selector: {matchLabels: {app: zk}}}
""")
    one, other = declared("zookeeper"), declared("{kind: pods, name: other}")
    assert settled([one, other], policy.quorums) == (other,)
    assert other.name == "east/data/other"


def test_two_annotations_of_the_same_name_are_both_refused_and_hold_their_pods(
    golden: GoldenFiles,
) -> None:
    one, other = declared("zookeeper"), declared("zookeeper", "Deployment")
    alone = declared("zookeeper", name="b")
    first, second, third = settled([one, other, alone], ())
    assert third == alone
    golden.check(first.wrong)
    assert second.wrong and first.name != second.name
    assert first.members == one.members


@pytest.mark.parametrize(
    "path",
    ["/../../../../secrets", "/a/../b", "/a/..", "/./a", "/a/%2e%2e/b", "/%2E%2E/", "/a%2f..%2fb", "/a\\..\\b",
     "/%252e%252e/", "/a#b", "a"],
)  # fmt: skip
def test_path_of_a_probe_stays_inside_the_pod(path: str) -> None:
    written = json.dumps({"kind": "pods", "probe": {"http": {"port": 80, "path": path}, "healthy": "ok"}})
    assert declared(written).wrong.partition(": expected")[0].endswith(" probe.http.path")


@pytest.mark.parametrize("path", ["/", "/v1/x?at=../y&z=%2F", "/a..b/...", "/.well-known/x"])
def test_other_paths_are_used_as_written(path: str) -> None:
    found = declared(json.dumps({"kind": "pods", "probe": {"http": {"port": 80, "path": path}}})).members
    assert found is not None and found.probe is not None and found.probe.ask == HttpProbe(80, path)
