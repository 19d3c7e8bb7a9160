"""Quorum groups as people write them, and what they mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config import load, loads
from fleet.core.objects.selector import Selector
from fleet.core.quorum.groups import EtcdAccess, QuorumGroup
from fleet.core.quorum.presets import PRESETS
from fleet.core.quorum.probe import ExecProbe, HttpProbe, Probe, ProbeTerm
from fleet.core.quorum.quorum import Quorum, QuorumRule, SnapshotRule
from fleet.core.records.errors import ConfigError

PODS = "namespace: data, selector: {matchLabels: {app: own}}"


def group(written: str) -> QuorumGroup:
    policy, cautions = loads(f"pools: [{{name: w}}]\nquorums:\n  - {{name: g, cluster: east, {written}}}\n")
    assert cautions == ()
    return policy.quorums[0]


def probe(written: str, kind: str = "pods") -> Probe | None:
    found = group(f"kind: {kind}, {PODS}, probe: {{{written}}}").members
    assert found is not None
    return found.probe


def problems(written: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        group(written)
    return [problem.partition(": ")[2] for problem in caught.value.problems]


def test_group_needs_only_a_name_and_a_cluster() -> None:
    assert group("kind: etcd") == QuorumGroup("g", "east")


def test_group_that_the_policy_does_not_name_has_the_defaults() -> None:
    policy, _ = loads("pools: [{name: w}]\nquorums: [{name: g, cluster: east, margin: 1}]")
    assert policy.quorum_rule(Quorum("g")) == QuorumRule(margin=1)
    assert policy.quorum_rule(Quorum("other")) == QuorumRule()


def test_rule_is_read_in_its_units() -> None:
    written = (
        "margin: 1, lag_entries: 50, stale: 1m, downtime: allow, stretch: allow, soak: 2m, defragment: true"
    )
    expected = QuorumRule(1, 50, 60, "allow", "allow", 120, defragment=True)
    assert group(written).rule == expected


def test_file_paths_of_an_etcd_are_relative_to_the_policy(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text("""\
pools: [{name: w}]
quorums:
  - name: g
    cluster: east
    endpoints: https://10.0.0.1:2379
    ca: pki/ca.crt
    cert: pki/me.crt
    key: /keys/me.key
    snapshot: {directory: snapshots}
""")
    found = load(path)[0].quorums[0]
    assert found.access == EtcdAccess(
        ("https://10.0.0.1:2379",), f"{tmp_path}/pki/ca.crt", f"{tmp_path}/pki/me.crt", "/keys/me.key"
    )
    assert found.rule.snapshot == SnapshotRule(f"{tmp_path}/snapshots", 7)


def test_without_a_probe_readiness_of_pods_decides() -> None:
    found = group(f"kind: pods, {PODS}, voters: 3").members
    assert found is not None
    assert (found.namespace, found.selector, found.voters) == ("data", Selector({"app": "own"}), 3)
    assert found.probe is None


def test_known_kind_has_its_probe_and_the_policy_overrides_single_keys() -> None:
    known = PRESETS["zookeeper"]
    assert probe("", "zookeeper") == known
    changed = probe("http: {port: 8081}, index: server_stats.zxid", "zookeeper")
    assert changed is not None
    assert changed.ask == HttpProbe(8081, "/commands/server_stats")
    assert (changed.index, changed.leader) == ("server_stats.zxid", known.leader)


def test_lag_of_patroni_is_in_bytes() -> None:
    assert group(f"kind: patroni, {PODS}").rule.lag_entries == 16 << 20


def test_custom_probe() -> None:
    written = (
        "exec: [own, state], container: server, answer: lines, leader: role=leader|primary, healthy: ready"
    )
    assert probe(written) == Probe(
        ExecProbe(("own", "state"), "server"),
        "lines",
        leader=ProbeTerm("role", ("leader", "primary")),
        healthy=ProbeTerm("ready", ("true",)),
    )


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("kind: zookeper", "quorums.g.kind: expected etcd or zookeeper or consul"),
        ("cert: a", "quorums.g.cert: expected both cert and key, found one"),
        ("snapshot: {keep: 3}", "quorums.g.snapshot: expected the key directory"),
        ("voters: 3", "quorums.g.voters: expected no voters of a group of kind etcd, found one"),
        ("defragment: ja", "quorums.g.defragment: expected true or false, found 'ja'"),
        ("endpoints: [10.0.0.1]", "quorums.g.endpoints: expected a URL such as https://10.0.0.1:2379"),
        ("kind: pods, namespace: d", "quorums.g: expected the key selector (which pods are the members)"),
        (f"kind: pods, {PODS}, ca: x", "quorums.g.ca: expected no ca of a group of kind pods"),
        (f"kind: pods, {PODS}, probe: {{leader: x}}", "quorums.g.probe: expected http or exec"),
        (f"kind: pods, {PODS}, probe: {{http: {{path: /}}}}", "quorums.g.probe.http: expected the key port"),
        (f"kind: pods, {PODS}, probe: {{http: {{port: 0}}}}", "quorums.g.probe.http.port: expected a port"),
        (
            f"kind: pods, {PODS}, probe: {{http: {{port: 1}}, exec: [x]}}",
            "quorums.g.probe.exec: expected either http or exec, found both",
        ),
        (
            f"kind: pods, {PODS}, probe: {{http: {{port: 1}}, members: all}}",
            "quorums.g.probe.members: expected name",
        ),
        (
            f"kind: pods, {PODS}, probe: {{http: {{port: 1}}, index: a, lag: b}}",
            "quorums.g.probe.lag: expected either index or lag, found both",
        ),
        (
            f"kind: pods, {PODS}, probe: {{http: {{port: 1}}, leader: =x}}",
            "quorums.g.probe.leader: expected keys",
        ),
    ],
)
def test_mistake_names_what_is_expected(written: str, message: str) -> None:
    assert any(problem.startswith(message) for problem in problems(written)), problems(written)


def test_group_name_is_unique() -> None:
    with pytest.raises(ConfigError, match=r"quorums\.g\.name: expected each name once"):
        loads("pools: [{name: w}]\nquorums: [{name: g, cluster: a}, {name: g, cluster: b}]")
