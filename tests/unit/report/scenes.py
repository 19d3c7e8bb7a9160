"""Rollouts as the engine does them on model clusters, with a plan, trouble and two pools: what a report looks like."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time, timedelta
from random import Random

import msgspec
from msgspec.structs import replace

from fleet.core.objects.selector import Selector
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.policy.policy import Amount, Limits, Policy, Pool
from fleet.core.policy.times.window import Window
from fleet.core.records.journal import GENESIS, JournalEntry, JournalRecord
from fleet.core.releases.release import Stream
from fleet.core.reporting.report import Report, Verdict
from fleet.core.reporting.reporter import make_report
from fleet.lab.simulation.builders import NEW, OLD, START
from fleet.model.behaviour import ClusterBehaviour, Failure, SpreadLength
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from fleet.simulated.fleets import make_cluster
from fleet.simulated.shape import POOL_LABEL, PoolShape, Shape
from tests.simulated_rollout import SimulatedRollout

LIMIT = Amount(20, percent=True)


def a_scene(
    nodes: int = 24,
    deployments: int = 12,
    failures: Mapping[str, Failure] = {},
    limit: Amount = LIMIT,
    windows: tuple[Window, ...] = (),
    stop_after: float | None = None,
) -> Report:
    """Nodes n-0001 and on; a quarter of them are of pool `storage`. With `stop_after`: as it looks then, in seconds."""
    storage = max(1, nodes // 4)
    shape = Shape(
        (PoolShape("workers", nodes - storage), PoolShape("storage", storage)), deployments=deployments
    )
    snapshot = make_cluster("east", "fra", shape, [OLD], 7, START)
    policy = a_mixed_policy(limit, windows)
    plan = make_plan(
        PlanRequest(
            "p-9c41", [snapshot], policy, ["workers", "storage"], NEW, START, DurationEstimates(reboot=60)
        )
    )
    behaviour = ClusterBehaviour(
        stage=SpreadLength(40, 80),
        reboot=SpreadLength(45, 90),
        pod_start=SpreadLength(4, 16),
        failures=failures,
    )
    story = SimulatedRollout([snapshot], policy, behaviour, seed=3)
    detail = msgspec.to_builtins(plan.begin())
    story.command(JournalRecord(form="command", kind="start", rollout="r-1", detail=detail))
    story.run(stop_after or 14 * 86400)
    held = {ref: story.engine.why(ref, story.now) for ref in story.rollout.runs}
    entries = chained(story.entries)
    return make_report("r-1", entries, story.now, Verdict(True, len(entries)), plan, held)


def a_mixed_policy(limit: Amount, windows: tuple[Window, ...]) -> Policy:
    def pool(name: str, limits: Limits, **more: object) -> Pool:
        selector = Selector({POOL_LABEL: name})
        facts: dict[str, object] = {"soak_seconds": 60, "failure_limit": 3, "windows": windows}
        return Pool(name, selector, stream="stable", limits=limits, **(facts | more))  # type: ignore[arg-type]

    return Policy(
        pools=(pool("workers", Limits(limit)), pool("storage", Limits(Amount(1)))),
        streams=(Stream("stable", (OLD, NEW)),),
    )


def nightly() -> tuple[Window, ...]:
    """Two hours a night, so that a rollout takes several."""
    return (Window((0, 1, 2, 3, 4, 5, 6), time(1), time(3)),)


def chained(entries: list[JournalEntry]) -> list[JournalEntry]:
    """With hashes as if there were a chain."""
    rng, before, found = Random(1), GENESIS, []
    for entry in entries:
        found.append(replace(entry, prev_hash=before, hash=f"{rng.getrandbits(256):064x}"))
        before = found[-1].hash
    return found


def later(report: Report, seconds: float) -> Report:
    return replace(report, at=report.at + timedelta(seconds=seconds))
