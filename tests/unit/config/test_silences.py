"""The part `silences` of a pool: nothing wider than one node can be written."""

from __future__ import annotations

import pytest

from fleet.config.document.findings import Findings
from fleet.config.policy import read
from fleet.core.objects.node import NodeRef
from fleet.core.policy.alerting.silence import SilenceRule
from fleet.core.policy.policy import Pool

GOOD = '{name: node, alertmanager: "http://am.{cluster}:9093", matchers: {node: "{node}"}}'


def parsed(pool: str, defaults: str = "") -> tuple[Pool, list[str], list[str]]:
    findings = Findings()
    text = f"pools: [{{name: workers{pool}}}]\n" + (f"defaults: {{{defaults}}}\n" if defaults else "")
    found = read(text, "fleet.yaml", findings)
    return found.policy.pools[0], findings.problems, [str(caution) for caution in findings.cautions]


def test_a_rule_of_the_defaults_counts_for_pools_without_one() -> None:
    pool, problems, cautions = parsed("", f"silences: [{GOOD}]")
    assert (problems, cautions) == ([], [])
    rule = SilenceRule(name="node", alertmanager="http://am.{cluster}:9093", matchers={"node": "{node}"})
    assert pool.silences == (rule,)
    assert rule.url("east") == "http://am.east:9093"
    assert rule.labels(NodeRef("east", "n-1")) == {"node": "n-1"}


@pytest.mark.parametrize(
    ("matchers", "key"),
    [
        ("{}", "matchers"),
        ('{severity: "critical"}', "matchers"),
        ('{cluster: "{cluster}"}', "matchers"),
        ('{node: ""}', "matchers.node"),
        ('{node: "{node}", job: ""}', "matchers.job"),
        ('{node: "{node}", job: "{jobs}"}', "matchers.job"),
        ('{node: "{node", x: "{node}"}', "matchers.node"),
        ('{"no-de": "{node}"}', "matchers"),
        ("['node=~\".*\"']", "matchers"),
    ],
)
def test_matchers_that_could_be_wider_than_a_node_are_refused(matchers: str, key: str) -> None:
    _, problems, _ = parsed(
        f", clusters: [east], silences: [{{name: x, alertmanager: 'http://a', matchers: {matchers}}}]"
    )
    assert any(key in problem for problem in problems)


@pytest.mark.parametrize(
    "more",
    ["http://user:secret@am:9093", "http://am/?token=secret", "http://{node}:9093", "ftp://am", "http://{}"],
)
def test_a_server_is_a_plain_url(more: str) -> None:
    _, problems, _ = parsed(
        f", silences: [{{name: x, alertmanager: '{more}', matchers: {{node: '{{node}}'}}}}]"
    )
    assert any("alertmanager" in problem for problem in problems)
    assert "secret" not in "".join(problems)


def test_one_server_for_several_clusters_without_a_label_of_the_cluster_is_doubtful() -> None:
    silence = 'silences: [{name: x, alertmanager: "http://am", matchers: {node: "{node}"}}]'
    assert any("{cluster}" in caution for caution in parsed(f", {silence}")[2])
    assert parsed(f", clusters: [east], {silence}")[2] == []
    both = silence.replace('"{node}"}', '"{node}", cluster: "{cluster}"}')
    assert parsed(f", {both}")[2] == []
