"""A missing controller is noticed: since when, what may be in work, and no ETA without a controller."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fleet.app.reporting.explain import explain
from fleet.app.reporting.report import report
from fleet.app.reporting.status import fleet_status
from fleet.app.rollouts.follow import Follower
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.rollouts.standstill import standstill, standstill_of
from fleet.app.wiring.home import Home
from fleet.cli.views.explain import headline as explained
from fleet.cli.views.rollout_page.live import scene_of
from fleet.cli.views.rollout_page.rollout import headline, picture
from fleet.cli.views.status import attention, glance
from fleet.core.reporting.standstill import NOBODY, MidAir, Standstill, sentence
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.steps import HAS_SLOT
from fleet.drivers.identity import own_identity
from fleet.lab.simulation.builders import a_deployment, a_node, a_policy, a_snapshot
from fleet.system.clock import WallClock
from tests.golden import GoldenFiles
from tests.simulated_rollout import SimulatedRollout
from tests.unit.app.homes import a_home, a_started_rollout, small_cluster

NOW = WallClock().now()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    found = a_home(tmp_path / "home", small_cluster())
    a_started_rollout(found)
    yield found
    found.store.close()


def test_rollout_without_a_controller_yet(home: Home) -> None:
    found = fleet_status(home)
    assert found.standstill is not None
    assert (found.standstill.since, found.standstill.rollouts) == (None, ("r-1",))
    assert all(pool.eta_seconds is None for pool in found.summary.pools)


def test_standstill_has_its_start_and_the_nodes_in_work(home: Home) -> None:
    lease = home.store.lease
    lease.acquire("fleet@elsewhere/1/1", at=NOW - timedelta(hours=4), seconds=15, abandoned=lambda _: False)
    (rollout,) = Rollouts.load(home.store).active
    found = standstill(home, [rollout])
    assert found is not None and found.since == NOW - timedelta(hours=4) + timedelta(seconds=15)
    for view in (glance(fleet_status(home)), attention(fleet_status(home))):
        assert "no controller has been at work for 4h" in view.plain and "fleet run" in view.plain
    shown = scene_of(Follower(home, Rollouts.load(home.store), "r-1"))
    assert headline(shown).plain.endswith("stands still")
    assert "no controller has been at work for 4h" in picture(shown).plain
    node = next(iter(rollout.runs)).name
    simulated = explain(home, node, lambda *_: ())
    assert simulated.standstill is not None and " waited: step" in explained(simulated)


def test_report_has_no_eta_without_a_controller(home: Home) -> None:
    lease = home.store.lease
    lease.acquire(own_identity(), at=WallClock().now(), seconds=3600, abandoned=lambda _: False)
    worked = report(home).against
    lease.release(own_identity())
    stands = report(home).against
    assert worked is not None and worked.eta is not None
    assert stands is not None and stands.eta is None


def test_controller_that_released_its_lease_is_gone_too(home: Home) -> None:
    lease = home.store.lease
    lease.acquire("fleet@elsewhere/1/1", at=NOW, seconds=15, abandoned=lambda _: False)
    lease.release("fleet@elsewhere/1/1")
    assert lease.current(NOW) is None and lease.ended() == NOW + timedelta(seconds=15)
    found = standstill(home, Rollouts.load(home.store).active)
    assert found is not None and found.since is not None and found.since <= found.at


def test_no_standstill_while_a_controller_works_or_nothing_is_left(home: Home) -> None:
    lease = home.store.lease
    lease.acquire(own_identity(), at=WallClock().now(), seconds=3600, abandoned=lambda _: False)
    assert fleet_status(home).standstill is None
    lease.release(own_identity())
    assert standstill(home, []) is None


def test_nodes_in_work_are_named_and_the_rest_counted(golden: GoldenFiles) -> None:
    nodes = tuple(MidAir("east", f"n-{number}", "reboot", "r-1") for number in range(5))
    golden.check(sentence(Standstill(NOW, NOW - timedelta(minutes=7), ("r-1", "r-2"), nodes)))
    assert standstill_of([], None, NOW) is None


def test_nodes_in_work_are_those_with_a_slot_in_the_journal() -> None:
    nodes = [a_node(f"n-{number}") for number in range(3)]
    simulated = SimulatedRollout([a_snapshot(nodes, a_deployment("shop", 3, nodes))], a_policy())
    simulated.start()
    simulated.run(seconds=120)
    (rollout,) = rollouts_of(simulated.entries).values()
    found = standstill_of([rollout], None, NOW)
    assert found is not None and found.mid_air
    working = {run.node.name: str(run.step) for run in rollout.runs.values() if run.step in HAS_SLOT}
    assert {each.node: each.step for each in found.mid_air} == working


def test_standstill_that_begins_now_has_no_age() -> None:
    begun, later = Standstill(NOW, NOW, ("r-1",)), Standstill(NOW, NOW - timedelta(minutes=4), ("r-1",))
    assert NOBODY in sentence(begun) and NOBODY not in sentence(later)
