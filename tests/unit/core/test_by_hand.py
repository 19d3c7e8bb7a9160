"""Machines that another party upgrades to the release while a run is about to."""

from __future__ import annotations

from msgspec.structs import replace

from fleet.core.rollout.steps import Step
from fleet.lab.simulation.builders import NEW, a_machine, a_node, a_policy, a_snapshot
from fleet.model.behaviour import ClusterBehaviour, SpreadLength
from tests.simulated_rollout import SimulatedRollout

NODE = a_node("n-0")


def test_machine_upgraded_by_hand_while_it_stages_is_done() -> None:
    """Its image will never be beside the booted one: it is the booted one."""
    story = SimulatedRollout(
        [a_snapshot([NODE])], a_policy(), ClusterBehaviour(stage=SpreadLength(5000, 5000))
    )
    story.start()
    story.run(seconds=60)
    assert story.run_of("n-0").step is Step.STAGE
    story.models["east"].stranger.put_machine(replace(a_machine(NODE, NEW), request=None))
    story.run(seconds=600)
    run = story.run_of("n-0")
    assert (run.step, run.why) == (Step.DONE, f"{NEW.version} was booted meanwhile, not by fleet")
