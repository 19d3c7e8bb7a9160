"""Reads the standing policies of pools: the key `upgrade`."""

from __future__ import annotations

from typing import Literal

from msgspec import UnsetType
from msgspec.structs import replace

from fleet.config.document import forms
from fleet.config.document.reader import Reader
from fleet.config.document.rule import read_rule
from fleet.core.policy.policy import ApprovalRule, Pool
from fleet.core.policy.upgrades.approver import needs_users
from fleet.core.policy.upgrades.upgrade_rule import SoakRule, UpgradeRule

SEVERITIES = ("critical", "high", "medium", "low")
MODE: forms.ValueForm[Literal["manual", "auto"]] = forms.choice({"manual": "manual", "auto": "auto"})
APPROVAL: forms.ValueForm[Literal["rule", "user"] | UnsetType] = forms.choice(
    {"rule": "rule", "user": "user"}
)


class SoakNames:
    """The pools and stages in which releases may soak."""

    def __init__(self, reader: Reader) -> None:
        """Takes the names from the whole file."""
        self.pool = forms.one_of(reader.names("pools"), "the name of a pool")
        self.stage = forms.one_of(reader.names("stages"), "the name of a stage")


def upgrade(reader: Reader, base: UpgradeRule | UnsetType, names: SoakNames) -> UpgradeRule | UnsetType:
    """Returns the rule; UNSET where neither this mapping nor `base` has one. `upgrade: auto` is short for a mapping with
    `mode: auto` alone."""
    rule = base if isinstance(base, UpgradeRule) else UpgradeRule()
    if reader.has_text("upgrade"):
        return replace(rule, mode=reader.value("upgrade", MODE, rule.mode))
    part = reader.block("upgrade")
    soaked_in = tuple(_soak(each, names) for each in part.blocks("soaked_in"))
    deny = part.values("deny", forms.VERSION)
    found = replace(
        read_rule(part, rule),
        severity_delay=_severity_delay(part.block("severity_delay"), rule.severity_delay),
        soaked_in=soaked_in if part.has("soaked_in") else rule.soaked_in,
        deny=deny if part.has("deny") else rule.deny,
        approval=part.value("approval", APPROVAL, rule.approval),
    )
    for severity, seconds in found.severity_delay.items():
        if seconds > found.delay_seconds and reader.has("upgrade"):
            part.caution(f"the delay of {severity} is longer than delay, which counts then", "severity_delay")
    return found if reader.has("upgrade") else base


def check(reader: Reader, pool: Pool) -> None:
    """Adds a problem for a standing policy that the pool's other keys make impossible."""
    rule = pool.upgrade
    if isinstance(rule, UnsetType) or rule.mode == "manual":
        return
    if not pool.stream:
        reader.problem("expected a stream for upgrade.mode auto, found none", "upgrade")
    if needs_users(pool) and not (isinstance(pool.approvals, ApprovalRule) and pool.approvals.required):
        reader.problem(
            "expected approvals.required of at least 1 for upgrade.approval user, found 0", "upgrade"
        )
    if any(soak.pool == pool.name for soak in rule.soaked_in):
        reader.problem(f"expected another pool in upgrade.soaked_in, found {pool.name} itself", "upgrade")


def _severity_delay(reader: Reader, base: dict[str, int]) -> dict[str, int]:
    found = dict(base)
    for severity in SEVERITIES:
        seconds = reader.value(severity, forms.seconds(0), -1)
        if seconds >= 0:
            found[severity] = seconds
    return found


def _soak(reader: Reader, names: SoakNames) -> SoakRule:
    found = SoakRule(
        reader.required("for", forms.seconds(1), 1),
        reader.value("pool", names.pool, ""),
        reader.value("stage", names.stage, ""),
    )
    if reader.has("pool") == reader.has("stage"):
        reader.problem(f"expected pool or stage, found {'both' if reader.has('pool') else 'neither'}")
    return found
