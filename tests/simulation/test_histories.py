"""Seeded histories with faults at every point, judged by a checker that shares no code with the engine."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256

import pytest

from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.steps import NEXT, Step, StepResult
from fleet.lab.simulation.checker.invariant import Invariant
from fleet.lab.simulation.coverage import Coverage
from fleet.lab.simulation.history import History
from fleet.lab.simulation.schedule import MOST, schedule
from fleet.lab.simulation.shrink import describe_history, shrink
from fleet.lab.simulation.world import Parts
from tests.simulation.broken import WithoutDrain, does_not_look

BLOCKS, BLOCK = 8, 75

NOT_HERE = {
    # No run of the model's images is too new for its API server, and no policy of a history holds for room elsewhere.
    Reason.CAPACITY,
    Reason.ROOM,
    # Every pool of a history has a limit.
    Reason.FIRST_NODES,
    Reason.SKEW,
    Reason.SKEW_OLD,
    Reason.SKEW_UNKNOWN,
    # A release of a history has a payload for each node.
    Reason.ARCHITECTURE,
    # Its stream has neither barriers nor dead ends, and it is offered to all.
    Reason.BARRIER,
    Reason.DEAD_END,
    Reason.NO_WAY,
    Reason.NOT_IN_STREAM,
    Reason.OFFERED_LATER,
    Reason.NOT_OFFERED,
    # Its pods stop within 30 s, and those with budgets have controllers that are counted.
    Reason.GRACE,
    Reason.BUDGET_UNCOUNTED,
    # A group that could never go would never let its rollout end; and no group of a history is declared so.
    Reason.QUORUM_DOWNTIME,
    Reason.QUORUM_NEVER,
    # The model's groups are not declared by its workloads: that is for who reads a real cluster.
    Reason.QUORUM_WRONG,
    # Leases of clusters are the executor's: in a history one controller works at a time.
    Reason.LED_BY_ANOTHER,
    # The policies of histories have no approvals, and no calendars.
    Reason.NOT_APPROVED,
    Reason.CALENDAR_UNREAD,
    # No Alertmanager is in them either.
    Reason.SILENCE,
    Reason.NOT_SILENCED,
    # That is said of a plan, and no history makes one.
    Reason.LENGTH_UNKNOWN,
    # No release of the model brings another minor version of etcd, and its members tell no format of their data.
    Reason.LAST_VOTER,
    Reason.ETCD_DATA,
    # These end a waiting run in the same decision: their words are why it was cancelled.
    Reason.ABORTED,
    Reason.NODE_GONE,
    Reason.NODE_REPLACED,
    # The controller is a pod of the cluster only in tests/simulation/test_own_node.py.
    Reason.HAND_OVER,
    Reason.NO_STANDBY,
    Reason.CONTROLLER_DATA,
    Reason.CONTROLLER_STAYS,
    Reason.OTHERS_FIRST,
}
"""Reasons that hold no run in any history."""
NO_WAY: set[tuple[Step, StepResult]] = set()
"""Transitions of the table that no history can take."""


@pytest.fixture(scope="module")
def covered() -> dict[int, Coverage]:
    """What the histories that ran in this process have come by."""
    return {}


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_history_violates_an_invariant(block: int, covered: dict[int, Coverage]) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        history = History(seed)
        if history.run():
            pytest.fail(describe_history(seed)[0], pytrace=False)
        covered[seed] = history.world.coverage


def test_node_behind_one_that_needs_more_of_a_budget_is_told_so() -> None:
    """Found by a soak: nothing held the run, and no reason was shown."""
    assert not History(5708).run()


def test_every_fault_transition_and_reason_occurs(covered: dict[int, Coverage]) -> None:
    """Over all blocks. Those that ran in another process are made up for."""
    total = Coverage()
    for seed in range(BLOCKS * BLOCK):
        if seed not in covered:
            history = History(seed)
            history.run()
            covered[seed] = history.world.coverage
        total.add(covered[seed])
        if not any(_missing(total)):
            return
    assert _missing(total) == (set(), set(), set())


def _missing(found: Coverage) -> tuple[set[str], set[tuple[Step, StepResult]], set[Reason]]:
    table = {(step, turn) for step, turns in NEXT.items() for turn in turns}
    faults = {kind for kind in MOST if not found.faults[kind]}
    return faults, table - set(found.turns) - NO_WAY, set(Reason) - set(map(Reason, found.reasons)) - NOT_HERE


def test_same_seed_gives_the_same_history_in_another_process() -> None:
    def history_hash(hash_seed: str) -> str:
        script = "from fleet.lab.simulation.history import History\n"
        script += "for seed in (3, 7, 11):\n    history = History(seed)\n    history.run()\n"
        script += "    print('\\n'.join(history.world.lines))\n"
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
        return sha256(run.stdout).hexdigest()

    assert history_hash("1") == history_hash("2")


def test_failing_history_is_shrunk_to_the_faults_that_it_needs() -> None:
    parts = Parts(engine=WithoutDrain, driver=does_not_look)
    seed = next(seed for seed in range(20) if len(schedule(seed)) > 10 and History(seed, parts=parts).run())
    assert shrink(seed, Invariant.DRAIN, parts) == ()
    script, whole = describe_history(seed, parts)
    assert not whole
    assert f"fleet lab simulate --seed {seed} --only none" in script and "cordon" in script
