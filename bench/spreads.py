"""Draws durations like measured ones: skewed, with a few slow ones. Their medians are those that a plan expects by
default."""

from __future__ import annotations

from functools import cache
from math import exp
from random import Random

from fleet.core.planning.estimates import DurationEstimates
from fleet.model.behaviour import ClusterBehaviour

SLOW_NODES = 0.04
SLOW_APPS = 0.05
LONGEST = 600.0
"""The maximum seconds of a reboot: beyond the policy's 900 s a reboot would count as failed, which is not measured here."""


def reboot(rng: Random, _: str) -> float:
    """Draws the seconds of a reboot. One node in twenty-five checks its disks or memory, which takes three times as long."""
    length = DurationEstimates().reboot * exp(rng.gauss(0.0, 0.25))
    return min(LONGEST, length * 3 if rng.random() < SLOW_NODES else length)


@cache
def usual_start(app: str) -> float:
    """Returns the median start of an app in seconds; one app in twenty takes one to three minutes (caches, leader
    election)."""
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
