"""One host that lies, for a while or for ever, among healthy ones: the others are upgraded, and its reason is
shown."""

from __future__ import annotations

from random import Random

import pytest

from fleet.lab.simulation.faults.hostile import LIES
from fleet.lab.simulation.history import History
from fleet.lab.simulation.schedule import Fault

SEEDS = 100


@pytest.fixture(scope="module")
def hostile_histories() -> dict[int, History]:
    """Each with one host that turns hostile while the rollout is young."""
    histories = {}
    for seed in range(SEEDS):
        rng = Random(f"hostile {seed}")
        faults = (Fault(rng.choice([0.0, 5.0, 40.0, 120.0]), "hostile host", rng.getrandbits(32)),)
        histories[seed] = History(seed, faults)
        histories[seed].run()
    return histories


def liar(history: History) -> str:
    return next(
        line.split("* hostile host: ")[1].split()[0] for line in history.world.lines if "hostile host" in line
    )


def test_every_lie_is_reported(hostile_histories: dict[int, History]) -> None:
    message = "\n".join(
        line
        for history in hostile_histories.values()
        for line in history.world.lines
        if "hostile host" in line
    )
    for way in LIES:
        assert f"tells {way} for ever" in message
        assert f"tells {way} " in message.replace(f"tells {way} for ever", "")


def test_no_invariant_is_violated(hostile_histories: dict[int, History]) -> None:
    """Among them: no run reboots twice, a failed run has a reason, limits hold, every rollout ends."""
    assert {
        seed: [str(each) for each in history.broken]
        for seed, history in hostile_histories.items()
        if history.broken
    } == {}


def test_other_nodes_continue_as_if_it_were_absent(hostile_histories: dict[int, History]) -> None:
    """Hosts that are upgraded without a liar are upgraded with one: none waits for what the liar never reports."""
    upgraded = 0
    for seed, history in hostile_histories.items():
        honest = History(seed, ())
        honest.run()
        for ident, rollout in history.world.checker.rollouts.items():
            before = honest.world.checker.rollouts[ident].runs
            after = {name: run.step for name, run in rollout.runs.items() if run.name != liar(history)}
            wanted = {name for name in after if before[name].step == "done"}
            assert rollout.ended, seed
            assert {name: after[name] for name in wanted if after[name] != "done"} == {}, (seed, ident)
            upgraded += len(wanted)
    assert upgraded > SEEDS


def test_outcome_of_the_lying_node_is_reported(hostile_histories: dict[int, History]) -> None:
    for history in hostile_histories.values():
        leader = history.world.leader
        assert leader is not None
        for rollout in leader.engine.rollouts.values():
            for run in rollout.runs.values():
                if run.node.name == liar(history):
                    assert run.ended
                    assert run.step == "done" or run.why
                    assert len(run.why) < 2000
