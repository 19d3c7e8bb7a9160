"""A plan does not depend on the order in which sets are gone through, which differs from process to process."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from hashlib import sha256

import msgspec

from fleet.core.objects.node import Resources
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.policy.policy import Amount, Limits, Policy, Pool, StageRule
from fleet.core.releases.release import Release, Stream
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from fleet.simulated.fleets import make_cluster
from fleet.simulated.shape import PoolShape, Shape

START = datetime(2026, 11, 1, tzinfo=UTC)
OLD, NEW = Release("1.0", "sha256:1", "6.1"), Release("2.0", "sha256:2", "6.2")


def digest() -> str:
    """Of the plan of a fleet with zones, budgets, quorum groups and jobs."""
    shape = Shape(
        (PoolShape("workers", 60, Resources(16000, 128 << 30, 110)),),
        ("a", "b", "c"),
        deployments=25,
        sets=6,
        jobs=3,
    )
    cluster = make_cluster("east", "fra", shape, [OLD], 7, START)
    limits = Limits(Amount(8), per_zone=Amount(4))
    pool = Pool("workers", stream="stable", limits=limits, stage=StageRule(10), canaries=2)
    policy = Policy(pools=(pool,), streams=(Stream("stable", (OLD, NEW)),))
    plan = make_plan(PlanRequest("", [cluster], policy, ["workers"], NEW, START, DurationEstimates()))
    assert plan.runs
    return sha256(msgspec.json.encode(plan, order="sorted")).hexdigest()


def test_processes_with_different_hash_seeds_make_the_same_plan() -> None:
    plans = {_elsewhere(seed) for seed in ("0", "1", "2", "3")}
    assert len(plans) == 1


def _elsewhere(seed: str) -> str:
    """The digest that a process with this hash seed finds."""
    environment = os.environ | {"PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-m", __name__], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    print(digest())
