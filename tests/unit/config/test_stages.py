"""Stages and gates in a policy: read as written, and refused with every mistake."""

from __future__ import annotations

import pytest

from fleet.config import loads
from fleet.core.policy.gate import (
    AlertsGate,
    CommandGate,
    HttpGate,
    OperatorGate,
    PrometheusGate,
    SoakGate,
    WorkloadsGate,
)
from fleet.core.policy.rollout_stage import RolloutStage
from tests.unit.config.test_problems import problems

POOLS = "pools: [{name: w}]\n"


def problems_of(gate: str) -> list[str]:
    """Returns what is wrong with one gate of a pool, without its place in the file."""
    found = problems(f"pools: [{{name: w, gates: [{gate}]}}]")
    return [each.partition("pools.w.")[2].removeprefix("gates.") for each in found]


def test_every_kind_of_gate_is_read() -> None:
    policy, cautions = loads("""\
defaults:
  gates: [{name: night, soak: 8h}]
pools:
  - {name: control, clusters: [east]}
  - name: w
    gates:
      - name: errors
        prometheus: {url: "https://p:9090/prom", query: 'sum(e)', below: 0.02, above: -1, token_file: /t}
        for: 10m
        every: 1m
        bad: 3
        timeout: 2h
      - {name: alerts, alerts: {url: "http://a:9093", matchers: ['severity="critical"', 'team!~"x.*"']}}
      - {name: shop, http: {url: "http://shop/health", status: 204, contains: ok}}
      - {name: own, command: [/bin/check, -v]}
      - {name: go, operator: true}
      - {name: back, workloads: true, for: 5m, timeout: 30m}
""")
    assert not cautions
    assert policy.pools[0].gates == (SoakGate(name="night", for_seconds=8 * 3600),)
    assert policy.pools[1].gates == (
        PrometheusGate(
            name="errors",
            url="https://p:9090/prom",
            query="sum(e)",
            below=0.02,
            above=-1.0,
            token_file="/t",
            for_seconds=600,
            every_seconds=60,
            bad=3,
            timeout_seconds=7200,
        ),
        AlertsGate(name="alerts", url="http://a:9093", matchers=('severity="critical"', 'team!~"x.*"')),
        HttpGate(name="shop", url="http://shop/health", status=204, contains="ok"),
        CommandGate(name="own", command=("/bin/check", "-v")),
        OperatorGate(name="go"),
        WorkloadsGate(name="back", for_seconds=300, timeout_seconds=1800),
    )


def test_stages_are_read_in_order() -> None:
    policy, _ = loads(f"""\
{POOLS}stages:
  - {{name: canary cluster, clusters: [east], pools: [w], gates: [{{name: n, soak: 1h}}]}}
  - {{name: sites, sites: [fra, nyc], sites_at_once: 2}}
""")
    assert policy.stages == (
        RolloutStage("canary cluster", ("w",), ("east",), gates=(SoakGate(name="n", for_seconds=3600),)),
        RolloutStage("sites", sites=("fra", "nyc"), sites_at_once=2),
    )


@pytest.mark.parametrize(
    ("gate", "keys"),
    [
        ("{name: x}", ["x:"]),
        ("{name: x, soak: 1h, operator: true}", ["x:"]),
        ("{soak: 1h}", ["gates[0]:"]),
        ("{name: x, soak: 1h, for: 1m, bad: 3}", ["x.bad:", "x.for:"]),
        ("{name: x, operator: false}", ["x.operator:"]),
        ("{name: x, prometheus: {url: 'http://p', query: up}}", ["x.prometheus:"]),
        (
            "{name: x, prometheus: {below: 1, above: 2}}",
            ["x.prometheus:", "x.prometheus:", "x.prometheus.above:"],
        ),
        (
            "{name: x, prometheus: {url: 'http://p', query: up, below: 1e3}}",
            ["x.prometheus:", "x.prometheus.below:"],
        ),
        ("{name: x, alerts: {url: 'http://a', matchers: [critical]}}", ["x.alerts.matchers:"]),
        ("{name: x, http: {url: 'ftp://a', status: 42}}", ["x.http.status:", "x.http.url:"]),
        ("{name: x, http: {url: 'http://u:secret@a/'}}", ["x.http.url:"]),
        ("{name: x, http: {url: 'http://a'}, for: 1h}", ["x.for:"]),
        ("{name: x, command: []}", ["x.command:"]),
        ("{name: x, workloads: false, bad: 3}", ["x.bad:", "x.workloads:"]),
    ],
)
def test_a_gate_that_makes_no_sense_is_refused_with_its_key(gate: str, keys: list[str]) -> None:
    found = problems_of(gate)
    assert sorted(each.partition(" ")[0] for each in found) == sorted(keys)
    assert "secret" not in "".join(found)


def test_a_name_stands_once_among_the_gates_and_among_the_stages() -> None:
    gates = "[{name: x, soak: 1h}, {name: x, soak: 2h}]"
    assert len(problems(f"pools: [{{name: w, gates: {gates}}}]")) == 1
    assert len(problems(f"{POOLS}stages: [{{name: a, sites: [x]}}, {{name: a}}]")) == 1


def test_a_stage_names_pools_that_are_there() -> None:
    (problem,) = problems(f"{POOLS}stages: [{{name: a, pools: [v]}}]")
    assert "stages.a.pools" in problem


def test_a_stage_behind_one_that_has_all_nodes_is_cautioned() -> None:
    _, cautions = loads(f"{POOLS}stages: [{{name: all}}, {{name: rest, sites: [fra]}}]")
    assert [caution.place.path for caution in cautions] == ["stages.rest"]


def test_a_gate_about_workloads_behind_no_canaries_is_cautioned() -> None:
    gate = "gates: [{name: back, workloads: true}]"
    _, cautions = loads(f"pools: [{{name: w, canaries: 0, {gate}}}, {{name: x, canaries: 1, {gate}}}]")
    assert [caution.place.path for caution in cautions if "back" in caution.message] == ["pools.w.gates"]
