"""Every warning of a plan, and every reason that this page is about, is in docs/workloads.md."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from fleet.core.planning.plan_warnings import gate_warnings, plan_warnings, pod_warnings, time_warnings
from fleet.core.records.reasons.reason import Reason

PAGE = (Path(__file__).parents[3] / "docs" / "workloads.md").read_text(encoding="utf-8")
SOURCE = "".join(map(inspect.getsource, (gate_warnings, plan_warnings, pod_warnings, time_warnings)))
CHECKS = set(re.findall(r"(?:PlanWarning|_warning)\(\s*(?:snapshot, )?f?\"([a-z{}-]+)\"", SOURCE))


def test_every_warning_is_documented() -> None:
    assert len(CHECKS) > 8
    for check in CHECKS:
        for part in ("stage", "reboot"):
            assert f"`{check.format(part=part) if '{' in check else check}`" in PAGE


def test_reasons_are_documented() -> None:
    for reason in (
        Reason.GRACE,
        Reason.ROLE,
        Reason.PINNED,
        Reason.PINNED_TOGETHER,
        Reason.BUDGET_UNHEALTHY,
        Reason.BUDGET_UNCOUNTED,
    ):
        assert f"`{reason}`" in PAGE
