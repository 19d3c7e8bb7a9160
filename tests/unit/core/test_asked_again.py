"""What holds a node before its run begins also holds it on the drained node, and right before the reboot."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleet.core.guards.guards import GUARDS, Moment
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import DrainRule
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import AnyAction, Outcome, Result
from fleet.core.rollout.event import Upserted
from fleet.core.rollout.steps import Step
from fleet.lab.simulation.builders import a_node, a_policy, a_pool, a_snapshot
from tests.simulated_rollout import SimulatedRollout

NODE = NodeRef("east", "n-0")
TROUBLES = {
    "the kubelet is not Ready": Reason.NODE_NOT_READY,
    "the Machine is deleted": Reason.NO_AGENT,
    "the Machine has no report": Reason.NO_AGENT,
    "the Node has no boot id": Reason.NOT_VERIFIED,
}
every_trouble = pytest.mark.parametrize("trouble", TROUBLES)


class Troubled:
    """A rollout of one node to which something happens. `at_reboot`: at the moment at which its reboot is requested,
    which is refused once."""

    def __init__(self, trouble: str, at_reboot: bool) -> None:
        self.trouble, self.at_reboot = trouble, at_reboot
        self.reboots = 0
        policy = a_policy(a_pool(drain=DrainRule(timeout_seconds=300)))
        self.story = SimulatedRollout([a_snapshot([a_node(NODE.name)])], policy, perform=self._perform)
        self.story.start()
        if at_reboot:
            self.story.run(until=lambda: self.reboots > 0)
        else:
            self.story.run(until=lambda: self.step is Step.DRAIN)
            self.begin()
        self.story.run(seconds=60)

    @property
    def step(self) -> Step:
        return self.story.run_of(NODE.name).step

    @property
    def reasons(self) -> list[Reason]:
        return [held.reason for held in self.story.engine.why(NODE, self.story.now)]

    @property
    def machine(self) -> Machine:
        (machine,) = self.story.models["east"].snapshot(self.story.now).machines
        return machine

    def _perform(self, action: AnyAction, at: float) -> Outcome:
        if action.kind == "reboot":
            self.reboots += 1
            if self.at_reboot and self.reboots == 1:
                self.begin()
                return Outcome(action, Result.STALE, "a conflict")
        return self.story.really(action, at)

    def begin(self) -> None:
        self.before = self.machine
        stranger = self.story.models["east"].stranger
        match self.trouble:
            case "the kubelet is not Ready":
                stranger.node_ready(NODE.name, False)
            case "the Machine is deleted":
                stranger.delete_machine(NODE.name)
            case "the Machine has no report":
                stranger.put_machine(replace(self.before, reported=False, booted=None, staged=None))
            case "the Node has no boot id":
                (node,) = self.story.models["east"].snapshot(self.story.now).nodes
                self.boot_id = node.boot_id
                stranger.set_boot_id(NODE.name, "")

    def end(self) -> None:
        stranger = self.story.models["east"].stranger
        match self.trouble:
            case "the kubelet is not Ready":
                stranger.node_ready(NODE.name, True)
            case "the Node has no boot id":
                stranger.set_boot_id(NODE.name, self.boot_id)
            case _:
                stranger.put_machine(self.before)


@every_trouble
def test_what_begins_during_the_drain_holds_the_reboot_until_it_is_over(trouble: str) -> None:
    troubled = Troubled(trouble, at_reboot=False)
    assert (troubled.step, troubled.reboots) == (Step.DRAIN, 0)
    assert troubled.reasons == [TROUBLES[trouble]]
    troubled.end()
    troubled.story.run()
    assert (troubled.step, troubled.reboots) == (Step.DONE, 1)


@every_trouble
def test_what_begins_right_before_the_reboot_takes_the_run_back_into_its_drain(trouble: str) -> None:
    troubled = Troubled(trouble, at_reboot=True)
    assert (troubled.step, troubled.reboots) == (Step.DRAIN, 1)
    assert troubled.reasons == [TROUBLES[trouble]]
    troubled.end()
    troubled.story.run()
    assert (troubled.step, troubled.reboots) == (Step.DONE, 2)


@every_trouble
def test_what_stays_ends_the_run_in_the_drains_time_and_gives_the_node_back(trouble: str) -> None:
    troubled = Troubled(trouble, at_reboot=True)
    troubled.story.run()
    assert (troubled.step, troubled.reboots) == (Step.FAILED, 1)
    (node,) = troubled.story.models["east"].snapshot(troubled.story.now).nodes
    assert not node.unschedulable


def test_an_image_that_is_gone_right_before_the_reboot_fails_the_run_and_gives_the_node_back() -> None:
    story = SimulatedRollout(
        [a_snapshot([a_node(NODE.name)])], a_policy(), perform=lambda action, at: perform(action, at)
    )
    refused = list[float]()

    def perform(action: AnyAction, at: float) -> Outcome:
        if action.kind != "reboot":
            return story.really(action, at)
        refused.append(at)
        (machine,) = story.models["east"].snapshot(story.now).machines
        story.models["east"].stranger.put_machine(replace(machine, staged=None))
        return Outcome(action, Result.STALE, "a conflict")

    story.start()
    story.run()
    assert story.run_of(NODE.name).step is Step.FAILED and len(refused) == 1
    (node,) = story.models["east"].snapshot(story.now).nodes
    assert not node.unschedulable


def test_a_node_that_is_seen_to_go_down_before_its_request_is_seen_is_waited_for() -> None:
    """Watches of different kinds have no common order: the Node of a machine that reboots may be seen as not Ready before
    the Machine is seen with the request."""
    story = SimulatedRollout(
        [a_snapshot([a_node(NODE.name)])], a_policy(), perform=lambda action, at: perform(action, at)
    )
    sent = list[AnyAction]()

    def perform(action: AnyAction, at: float) -> Outcome:
        if action.kind != "reboot" or sent:
            return story.really(action, at)
        sent.append(action)
        (node,) = story.models["east"].snapshot(story.now).nodes
        story.engine.observe(Upserted("east", replace(node, ready=False)), story.now)
        return Outcome(action, Result.DONE)

    story.start()
    story.run(until=lambda: bool(sent))
    story.run(seconds=10)
    assert story.run_of(NODE.name).step is Step.REBOOT
    assert story.really(sent[0], story.at).result is Result.DONE
    story.run()
    assert story.run_of(NODE.name).step is Step.DONE


def test_what_is_asked_right_before_the_reboot_is_asked_in_the_drain_too() -> None:
    """A run that may not reboot goes back to its drain, which must not end before the answer changes."""
    for guard in GUARDS:
        assert not guard.moments & Moment.REBOOT or guard.moments & (Moment.DRAINED | Moment.DRAIN)
