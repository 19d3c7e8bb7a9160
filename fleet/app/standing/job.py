"""The scheduled job of one standing policy (`fleet.app.schedule.registry`)."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec

from fleet.app.standing.evaluate import due, look
from fleet.app.wiring.home import Home
from fleet.core.jobs.job import JobRun
from fleet.core.records.errors import FleetError
from fleet.core.standing.decision import StandingDecision
from fleet.core.standing.standing_pool import StandingPass

LONGEST = 3600.0
"""Seconds after which a pass is given up."""
TAIL = 5
"""Lines of the output of a pass that show why it failed."""


def perform(home: Home, run: JobRun, pool: str) -> str:
    """Decides about the pool, and starts a rollout or makes a plan where one is due; returns what was done, or why
    nothing was. Raises FleetError where what is due cannot be done.

    A plan takes seconds of CPU, which would keep the controller from its work: it is made in a process of its own, by
    the command that operators have for that. Where this process is killed, that one goes on, and what it starts is in the
    journal whole or not at all.
    """
    decision = look(home, pool)
    return _in_a_process(home, pool) if due(decision) else summary(decision)


def summary(decision: StandingDecision) -> str:
    """Returns what a decision by which nothing is due says, in one line. It names the reason, since the message may have
    ages in it, which change from pass to pass."""
    if decision.obstacle is None:
        return str(decision.state)
    about = f"{decision.target}, " if decision.target else ""
    until = f", until {decision.when:%Y-%m-%d %H:%M} UTC" if decision.when is not None else ""
    rollout = decision.obstacle.params.get("rollout", "")
    why = f"{decision.obstacle.reason} {rollout}".strip()
    return f"{decision.state}: {about}{why}{until} (fleet policy status)"


def _in_a_process(home: Home, pool: str) -> str:
    """Makes one pass for the pool, and returns what it did. Raises FleetError where it could not."""
    # Without -P Python takes modules from the current folder first, which any user may have put there.
    command = [sys.executable, "-P", "-m", "fleet.cli", "--home", str(home.path)]
    try:
        done = subprocess.run(
            [*command, "policy", "run", "--pool", pool, "-o", "json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, "FLEET_DATABASE": home.database},
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FleetError(f"a pass for pool {pool} took longer than an hour", "fleet policy run") from None
    try:
        (outcome,) = msgspec.json.decode(done.stdout, type=StandingPass).outcomes
    except (msgspec.DecodeError, ValueError):
        lines = done.stderr.decode(errors="replace").splitlines()[-TAIL:]
        raise FleetError(
            "\n  ".join([f"a pass for pool {pool} failed:", *lines]), "fleet policy run"
        ) from None
    if outcome.waits:
        return f"waiting: {outcome.problem}"
    if outcome.problem:
        raise FleetError(outcome.problem, outcome.remedy)
    if outcome.rollout:
        return f"started rollout {outcome.rollout} to {outcome.pool.target}"
    if outcome.plan:
        return f"made plan {outcome.plan}, which waits for approval"
    return f"{outcome.pool.state}{f': {outcome.pool.why.message}' if outcome.pool.why is not None else ''}"
