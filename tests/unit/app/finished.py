"""A home in which a rollout was carried out by a controller, on simulated time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fleet.app.planning.plans import plan
from fleet.app.rollouts.run import run
from fleet.app.rollouts.start import start
from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.simulated_clock import CLOCK
from fleet.core.cluster.snapshot import Snapshot
from fleet.lab.simulation.builders import NEW, START, a_deployment, a_node, a_snapshot
from fleet.simulated.clock import SimulatedClock
from tests.unit.app.homes import a_home

SPEED = 600.0


def workers(count: int = 2) -> Snapshot:
    nodes = [a_node(f"n-{number}") for number in range(1, count + 1)]
    return a_snapshot(nodes, a_deployment("shop", count, nodes))


def a_fast_home(path: Path, *snapshots: Snapshot, **message: str) -> Home:
    home = a_home(path, *(snapshots or (workers(),)), **message)
    SimulatedClock(START, SPEED, home.simulated / CLOCK).save()
    return Home(path, message.get("database", ""))


def carried_out(
    home: Home, version: str = NEW.version, say: Callable[[str], None] = lambda message: None
) -> str:
    """Plans, starts, and is the controller until nothing is left to do. Answers the rollout's id."""
    made = plan(home, ["workers"], version)
    ident = start(home, made, lambda clusters: ()).rollout
    run(home, say, until_idle=True)
    return ident
