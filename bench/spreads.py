"""Lengths as they are measured: skewed, with a slow few. Their medians are what a plan expects by default."""

from __future__ import annotations

from functools import cache
from math import exp
from random import Random

from fleet.core.planning.estimates import DurationEstimates
from fleet.model.behaviour import ClusterBehaviour

SLOW_NODES = 0.04
SLOW_APPS = 0.05
LONGEST = 600.0
"""No reboot takes longer: past the policy's 900 s it would count as failed, and that is another story."""


def reboot(rng: Random, _: str) -> float:
    """One node in twenty-five checks its disks or its memory: three times as long."""
    length = DurationEstimates().reboot * exp(rng.gauss(0.0, 0.25))
    return min(LONGEST, length * 3 if rng.random() < SLOW_NODES else length)


@cache
def usual_start(app: str) -> float:
    """Every app has a start of its own; one in twenty takes a minute to three (caches, leader election)."""
    rng = Random(app)
    if rng.random() < SLOW_APPS:
        return rng.uniform(60.0, 180.0)
    return DurationEstimates().pod_start * exp(rng.gauss(0.0, 0.5))


def pod_start(rng: Random, app: str) -> float:
    return usual_start(app) * exp(rng.gauss(0.0, 0.2))


def pod_stop(rng: Random, _: str) -> float:
    return DurationEstimates().pod_stop * exp(rng.gauss(0.0, 0.6))


def stage(rng: Random, _: str) -> float:
    return DurationEstimates().stage * exp(rng.gauss(0.0, 0.4))


def spread() -> ClusterBehaviour:
    return ClusterBehaviour(
        pod_start=pod_start, pod_stop=pod_stop, stage=stage, reboot=reboot, agent=agent, workload=None
    )


def agent(rng: Random, _: str) -> float:
    return rng.uniform(0.2, 2.0)
