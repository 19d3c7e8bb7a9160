"""Every key that the parser knows is in docs/policy.md and in the template of `fleet init`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleet.config import default_policy_text
from fleet.config.document.findings import Findings
from fleet.config.policy import read

DOCS = Path(__file__).parents[3] / "docs" / "policy.md"
EVERYTHING = """
streams: [{name: x, feed: {url: x}}, {name: s, releases: [{advisories: [{}], rollout: {start: 2026-11-03}}]}]
freezes: [{}, {calendar: x.ics}]
windows: [{}, {calendar: x.ics}]
sites: [{windows: [{}]}]
clusters: [{windows: [{}]}]
notifications: [{name: x, url_file: x}]
schedule: {reports: [{}]}
quorums: [{selector: {matchExpressions: [{}]}}]
hooks:
  before_rollout: [{}]
  after_rollout: [{command: [x]}, {shell: x}, {http: {}}, {playbook: x}, {job: {}}]
stages:
  - gates:
      [{soak: 1s}, {operator: true}, {prometheus: {}}, {alerts: {}}, {http: {}}, {command: [x]}, {workloads: true}]
    hooks: {before_stage: [{}], after_stage: [{}]}
defaults:
  windows: [{}]
  gates: [{}]
  silences: [{name: x, alertmanager: 'http://x', matchers: {node: '{node}'}}]
  hooks: {before_node: [{}], after_node: [{}]}
  upgrade: {soaked_in: [{}]}
  drain: {rules: [{pods: [{selector: {matchExpressions: [{}]}}]}]}
pools:
  - windows: [{}]
    silences: [{name: x, alertmanager: 'http://x', matchers: {node: '{node}'}}]
    gates: [{}]
    hooks: {before_node: [{}], after_node: [{}]}
    upgrade: {soaked_in: [{}]}
    drain: {rules: [{pods: [{selector: {matchExpressions: [{}]}}]}]}
    selector: {matchExpressions: [{}]}
"""


def known_keys() -> set[str]:
    findings = Findings()
    read(EVERYTHING, "fleet.yaml", findings)
    return findings.known_keys


def documented() -> set[str]:
    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return {row.split("`")[1] for row in rows}


def names_in_docs(key: str) -> set[str]:
    """`defaults` and pools share their rules, so those stand there without either."""
    parts = key.split(".")
    return {".".join(parts[start:]) for start in range(len(parts))}


def test_known_keys_include_nested_ones() -> None:
    assert {"pools[].limits.per_zone", "defaults.windows[].zone", "freezes[].until"} <= known_keys()
    assert len(known_keys()) > 60


@pytest.mark.parametrize("key", sorted(known_keys()))
def test_every_key_is_documented_and_in_the_template(key: str) -> None:
    assert names_in_docs(key) & documented(), f"{key} is not in docs/policy.md"
    name = re.escape(key.rpartition(".")[2].removesuffix("[]"))
    assert re.search(rf"^[#\s{{-]*{name}:", default_policy_text(), re.M) or name == "values"


def test_docs_name_no_unknown_key() -> None:
    endings = {name for key in known_keys() for name in names_in_docs(key)}
    assert documented() <= endings
