"""PostgreSQL's primary is lost in the middle of a rollout, and its standby is promoted: two controllers go on with it."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from fleet.app.wiring.home import Home
from fleet.cli.main import run
from fleet.core.records.errors import StoreError
from fleet.core.rollout.steps import Step
from fleet.lab.simulation.builders import a_budget, a_deployment, a_node, a_snapshot
from tests.store.boots import Boots
from tests.store.processes import controller, wait
from tests.store.standby import Pair, pair
from tests.store.test_replicas import rollout_of
from tests.unit.app.homes import a_home, a_started_rollout

NODES = 4
Found = TypeVar("Found")


class AtWork(NamedTuple):
    home: Home
    boots: Boots
    leader: subprocess.Popen[bytes]
    logs: tuple[Path, Path]
    """The leader's log, and that of the controller that stands by."""

    def logged(self) -> str:
        return "".join(log.read_text() for log in self.logs)


@contextmanager
def two_controllers(found: Pair, path: Path) -> Iterator[AtWork]:
    """A rollout at work on a primary with a standby."""
    nodes = [a_node(f"n-{number}") for number in range(NODES)]
    snapshot = a_snapshot(nodes, a_deployment("shop", 6, nodes), [a_budget("shop", 6, 1)])
    home = a_home(path / "home", snapshot, database=found.url)
    first, second = path / "first.log", path / "second.log"
    with (
        Boots(home.simulated / "east.json").watching() as boots,
        controller(home, first) as leader,
    ):
        wait(lambda: "in control of" in first.read_text(), first.read_text)
        with controller(home, second):
            wait(lambda: "waiting for it to end" in second.read_text(), second.read_text)
            a_started_rollout(home)
            yield AtWork(home, boots, leader, (first, second))
    home.store.close()


def rebooting(home: Home) -> bool:
    return any(run.step is Step.REBOOT for run in rollout_of(home).runs.values())


def assert_each_intent_has_its_outcome(home: Home) -> None:
    open_, closed = set[str](), Counter[str]()
    for entry in home.store.journal.entries(rollout="r-1"):
        ident = entry.record.detail.get("id", "")
        if entry.record.form == "intent":
            assert ident not in open_ and not closed[ident], entry
            open_.add(ident)
        elif entry.record.form == "outcome":
            open_.remove(ident)
            closed[ident] += 1
    assert not open_ and set(closed.values()) == {1}


def test_rollout_goes_on_when_a_synchronous_standby_is_promoted(
    postgres_programs: Path, tmp_path: Path
) -> None:
    with (
        pair(postgres_programs, synchronous=True) as found,
        two_controllers(found, tmp_path) as work,
    ):
        home = work.home
        wait(lambda: rebooting(home), work.logged)
        found.promote()
        wait(lambda: ended(home), work.logged, 180)
        assert {each.step for each in rollout_of(home).runs.values()} == {Step.DONE}
        assert home.store.journal.verify() == []
        assert_each_intent_has_its_outcome(home)
        assert run(["--home", str(home.path), "--database", found.standby.url, "audit", "verify"]) == 0
    assert work.boots.reboots == {f"n-{number}": 1 for number in range(NODES)}


@pytest.mark.parametrize("leader_dies", [False, True], ids=["leader stays", "leader dies too"])
def test_nothing_goes_on_where_the_promoted_standby_lacks_what_was_written(
    postgres_programs: Path, tmp_path: Path, leader_dies: bool
) -> None:
    """The lost entries are those of the last moment, among them that a node was to reboot."""
    with (
        pair(postgres_programs, synchronous=False) as found,
        two_controllers(found, tmp_path) as work,
    ):
        home = work.home
        wait(lambda: any(each.step is Step.DRAIN for each in rollout_of(home).runs.values()), work.logged)
        found.cut()
        wait(lambda: any(work.boots.reboots.values()), work.logged)
        if leader_dies:
            work.leader.kill()
        found.promote()
        wait(lambda: "is not in this database" in held(home), work.logged)
        begun = count(home, "intent")
        wait(lambda: work.logged().count("in control of") == 2, work.logged)
        assert count(home, "intent") == begun
        assert (
            run(["--home", str(home.path), "--database", found.standby.url, "cluster", "accept", "east"]) == 0
        )
        wait(lambda: any(each.step is Step.FAILED for each in rollout_of(home).runs.values()), work.logged)
        failed = {str(node) for node, each in rollout_of(home).runs.items() if each.step is Step.FAILED}
        rebooted = {f"east/{name}" for name, number in work.boots.reboots.items() if number}
        assert failed <= rebooted, "a reboot that nothing explains waits for an operator"
        assert home.store.journal.verify() == []
    assert max(work.boots.reboots.values()) == 1


def held(home: Home) -> str:
    return answered(lambda: str(home.store.held.of("r-1")), "")


def ended(home: Home) -> bool:
    return answered(lambda: rollout_of(home).ended_at is not None, False)


def count(home: Home, form: str) -> int:
    return sum(entry.record.form == form for entry in home.store.journal.entries())


def answered(ask: Callable[[], Found], otherwise: Found) -> Found:
    """Returns the answer; `otherwise` while no server is there to answer."""
    try:
        return ask()
    except StoreError:
        return otherwise
