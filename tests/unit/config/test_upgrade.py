"""The standing policies of pools in the policy file."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from fleet.config import loads
from fleet.core.policy.upgrades.upgrade_rule import SoakRule, UpgradeRule
from fleet.core.records.errors import ConfigError

FILE = """
streams: [{{name: stable, releases: [{{version: "1"}}]}}]
stages: [{{name: first, pools: [canary]}}, {{name: rest}}]
defaults: {{stream: stable, {defaults}}}
pools:
  - name: canary
    selector: {{matchLabels: {{canary: "yes"}}}}
  - name: workers
    {keys}
"""


def rules(keys: str = "", defaults: str = "") -> dict[str, object]:
    policy, _ = loads(FILE.format(keys=keys, defaults=defaults))
    return {pool.name: pool.upgrade for pool in policy.pools}


def problems(keys: str, defaults: str = "") -> list[str]:
    with pytest.raises(ConfigError) as refused:
        rules(keys, defaults)
    return [str(problem) for problem in refused.value.problems]


def test_a_policy_without_the_key_has_no_rule() -> None:
    assert rules() == {"canary": UNSET, "workers": UNSET}


def test_the_short_form_is_the_mode() -> None:
    assert rules("upgrade: auto")["workers"] == UpgradeRule(mode="auto")


def test_all_keys_are_read() -> None:
    keys = """upgrade: {mode: auto, delay: 3d, severity_delay: {critical: 0, high: 1d}, deny: ["2", "3"], approval: rule,
      soaked_in: [{pool: canary, for: 2d}, {stage: first, for: 12h}]}"""
    assert rules(keys)["workers"] == UpgradeRule(
        mode="auto",
        delay_seconds=3 * 86400,
        severity_delay={"critical": 0, "high": 86400},
        soaked_in=(SoakRule(2 * 86400, pool="canary"), SoakRule(12 * 3600, stage="first")),
        deny=("2", "3"),
        approval="rule",
    )


def test_a_pool_changes_single_keys_of_the_defaults() -> None:
    found = rules("upgrade: {delay: 5d}", "upgrade: {mode: auto, delay: 1d, deny: ['2']}")
    assert found["canary"] == UpgradeRule(mode="auto", delay_seconds=86400, deny=("2",))
    assert found["workers"] == UpgradeRule(mode="auto", delay_seconds=5 * 86400, deny=("2",))
    assert rules("upgrade: manual", "upgrade: {mode: auto, delay: 1d}")["workers"] == UpgradeRule(
        mode="manual", delay_seconds=86400
    )


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ("upgrade: always", "workers.upgrade"),
        ("upgrade: {mode: always}", "upgrade.mode"),
        ("upgrade: {mode: auto, soaked_in: [{pool: nobody, for: 1d}]}", "soaked_in[0].pool"),
        ("upgrade: {mode: auto, soaked_in: [{stage: nobody, for: 1d}]}", "soaked_in[0].stage"),
        ("upgrade: {mode: auto, soaked_in: [{for: 1d}]}", "soaked_in[0]"),
        ("upgrade: {mode: auto, soaked_in: [{pool: canary, stage: first, for: 1d}]}", "soaked_in[0]"),
        ("upgrade: {mode: auto, soaked_in: [{pool: canary}]}", "soaked_in[0]"),
        ("upgrade: {mode: auto, soaked_in: [{pool: workers, for: 1d}]}", "workers.upgrade"),
        ("upgrade: {mode: auto, approval: user}", "workers.upgrade"),
        ("upgrade: {mode: auto, severity_delay: {urgent: 1d}}", "severity_delay.urgent"),
    ],
)
def test_a_mistake_names_its_key(keys: str, key: str) -> None:
    (problem,) = problems(keys)
    assert key in problem
    assert "fleet.yaml:" in problem


def test_a_pool_without_a_stream_cannot_follow_one() -> None:
    with pytest.raises(ConfigError) as refused:
        loads("pools: [{name: workers, upgrade: auto}]")
    assert len(refused.value.problems) == 1


def test_a_longer_delay_for_a_severity_is_a_caution() -> None:
    _, cautions = loads(FILE.format(keys="upgrade: {delay: 1h, severity_delay: {low: 2h}}", defaults=""))
    assert any("severity_delay" in str(caution.place) for caution in cautions)
