"""A rollout over the nodes of a quorum group: one at a time, the leader last and moved first, each back before the next."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Amount, Limits, Policy
from fleet.core.quorum.groups import QuorumGroup
from fleet.core.quorum.quorum import Quorum, QuorumRule, SnapshotRule
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import Defragment, MoveLeader, Reboot, Result, SaveSnapshot
from fleet.core.rollout.event import Upserted
from fleet.core.rollout.steps import RolloutState, Step
from fleet.lab.simulation.builders import a_group, a_node, a_policy, a_pool, a_snapshot
from tests.golden import GoldenFiles
from tests.simulated_rollout import SimulatedRollout

ALL = a_pool(limits=Limits(max_unavailable=Amount(9)))
BIG = {"name": "etcd", "cluster": "east"}


def with_rule(rule: QuorumRule) -> Policy:
    return replace(a_policy(ALL), quorums=(QuorumGroup("etcd", "east", rule=rule),))


def a_story(
    count: int = 3, rule: QuorumRule | None = None, workers: int = 0, sites: str = "", leader: int = 0
) -> SimulatedRollout:
    members = [a_node(f"m-{index}") for index in range(count)]
    others = [a_node(f"w-{index}") for index in range(workers)]
    snapshot = a_snapshot([*members, *others], quorums=(a_group(members, sites=sites, leader=leader),))
    return SimulatedRollout([snapshot], with_rule(rule or QuorumRule()))


def watched(story: SimulatedRollout) -> Callable[[], bool]:
    """Looks at the truth at every turn: never fewer voters than a majority."""

    def look() -> bool:
        for model in story.models.values():
            for group in model.quorums.groups.values():
                there = [each for each in group.voters if each.reachable and each.started]
                assert len(there) >= group.majority, (
                    f"{story.at}: {[each.name for each in there]} of {group.name}"
                )
        return False

    return look


def rebooted(story: SimulatedRollout) -> list[str]:
    return [
        action.node.name
        for _, action, result in story.performed
        if isinstance(action, Reboot) and result is Result.DONE
    ]


def group_of(story: SimulatedRollout) -> Quorum:
    return story.models["east"].quorums.groups["etcd"]


@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_members_go_one_after_another_with_the_leader_last(count: int) -> None:
    story = a_story(count, leader=1, workers=3)
    story.start()
    story.run(until=watched(story))
    assert set(story.steps().values()) == {Step.DONE}
    assert rebooted(story)[-1] == "m-1" if count else True
    order = [name for name in rebooted(story) if name.startswith("m-")]
    assert order[-1] == "m-1" and sorted(order) == [f"m-{index}" for index in range(count)]
    # The one hand-over is the only change of leader there was.
    moved = [
        action
        for _, action, result in story.performed
        if isinstance(action, MoveLeader) and result is Result.DONE
    ]
    assert [action.node.name for action in moved] == ["m-1"]
    assert group_of(story).leader is not None and group_of(story).leader.name == moved[0].to  # type: ignore[union-attr]


def test_workers_go_meanwhile() -> None:
    story = a_story(3, workers=4)
    story.start()
    most = 0

    def look() -> bool:
        nonlocal most
        out = [run.node.name for run in story.rollout.runs.values() if run.touched]
        most = max(most, sum(name.startswith("w-") for name in out))
        assert sum(name.startswith("m-") for name in out) <= 1
        return False

    story.run(until=look)
    assert most == 4


def test_next_member_waits_until_the_last_is_in_step_and_soaked() -> None:
    story = a_story(3, QuorumRule(soak_seconds=100))
    story.start()
    story.run(until=lambda: len(rebooted(story)) == 1)
    first, since = rebooted(story)[0], story.at
    waiting = next(name for name in ("m-1", "m-2") if name != first)
    held = story.engine.why(NodeRef("east", waiting), story.now)[0]
    assert held.reason is Reason.QUORUM_AWAY and first in held.message
    story.run(until=lambda: len(rebooted(story)) == 2)
    # Its reboot, two seconds until the member answers, three until it has caught up; then the soak.
    assert story.at - since > 60 + 2 + 3 + 100


def test_reading_from_before_the_reboot_ends_no_soak() -> None:
    """Found on real servers: a member that was still away passed, and was to be defragmented, by how it had been."""
    nodes = [a_node(f"m-{index}") for index in range(3)]
    story = SimulatedRollout([a_snapshot(nodes)], with_rule(QuorumRule(soak_seconds=100, defragment=True)))

    def read() -> None:
        """The model knows no group, so that this is all that is reported of it."""
        group = replace(a_group(nodes), read_at=story.now)
        story.engine.observe(Upserted("east", group), story.now)

    read()
    story.start()
    story.run(until=lambda: story.steps()["m-1"] is Step.SOAK)
    story.run(seconds=300)
    assert story.steps() == {"m-0": Step.STAGED, "m-1": Step.SOAK, "m-2": Step.STAGED}
    assert not asked(story, Defragment)
    [held] = story.engine.why(NodeRef("east", "m-1"), story.now)
    assert held == Held(
        Reason.NOT_VERIFIED, "m-1", {"why": "group etcd has not been read since the node came back"}
    )
    since = story.at
    read()
    story.run(until=lambda: bool(asked(story, Defragment)))
    read()
    story.run(until=lambda: story.steps()["m-1"] is Step.DONE)
    assert story.at - since >= 100 and asked(story, Defragment) == ["m-1"]


def asked(story: SimulatedRollout, kind: type) -> list[str]:
    return [action.node.name for _, action, _ in story.performed if isinstance(action, kind)]


def test_unreachable_member_holds_the_others_with_a_remedy() -> None:
    story = a_story(3, workers=1)
    story.models["east"].quorums.change("etcd", "m2", reachable=False)
    story.models["east"].stranger.cordon("m-2")
    story.start()
    story.run(seconds=3600)
    assert rebooted(story) == ["w-0"]
    [held] = story.engine.why(NodeRef("east", "m-1"), story.now)
    assert held == Held(
        Reason.QUORUM,
        "etcd",
        {"member": "m1", "remaining": 1, "voters": 3, "needed": 2, "ill": ": m2 does not answer"},
    )
    # Its own node may reboot: it votes for nobody now; and it comes back by that.
    story.models["east"].stranger.uncordon("m-2")
    story.run()
    assert rebooted(story)[1] == "m-2"
    assert set(story.steps().values()) == {Step.DONE}


def test_change_of_the_group_during_a_drain_stops_the_reboot() -> None:
    story = a_story(3)
    story.start()
    story.run(until=lambda: any(run.step is Step.DRAIN for run in story.rollout.runs.values()))
    going = next(run.node.name for run in story.rollout.runs.values() if run.step is Step.DRAIN)
    other = "m1" if going != "m-1" else "m2"
    story.models["east"].quorums.change("etcd", other, alarms=("NOSPACE",))
    story.run(seconds=600)
    assert rebooted(story) == []
    assert story.run_of(going).step is Step.DRAIN
    story.models["east"].quorums.change("etcd", other, alarms=())
    story.run(until=watched(story))
    assert set(story.steps().values()) == {Step.DONE}


def test_drained_node_whose_group_does_not_recover_is_given_back(golden: GoldenFiles) -> None:
    story = a_story(3)
    story.start()
    story.run(until=lambda: any(run.step is Step.DRAIN for run in story.rollout.runs.values()))
    going = next(run.node for run in story.rollout.runs.values() if run.step is Step.DRAIN)
    other = "m1" if going.name != "m-1" else "m2"
    story.models["east"].quorums.change("etcd", other, reachable=False)
    story.run(seconds=7200)
    run = story.rollout.runs[going]
    assert run.step is Step.FAILED
    golden.check(run.why)
    node = next(each for each in story.models["east"].snapshot(story.now).nodes if each.name == going.name)
    assert node.available and rebooted(story) == []


def test_leader_elected_onto_a_drained_node_is_moved_away_again() -> None:
    story = a_story(3, leader=0)
    story.start()
    story.run(until=lambda: story.run_of("m-1").step is Step.DRAIN or story.run_of("m-2").step is Step.DRAIN)
    going = next(run.node.name for run in story.rollout.runs.values() if run.step is Step.DRAIN)
    story.models["east"].quorums.lead("etcd", going.replace("-", ""))
    story.run(until=watched(story))
    assert set(story.steps().values()) == {Step.DONE}
    moved = [
        action.node.name
        for _, action, result in story.performed
        if isinstance(action, MoveLeader) and result is Result.DONE
    ]
    assert moved[0] == going


def test_snapshot_comes_before_the_cordon_and_is_named_in_the_journal() -> None:
    story = a_story(3, QuorumRule(snapshot=SnapshotRule("/backup")))
    story.start()
    story.run(until=watched(story))
    kinds = [
        (action.kind, action.node.name) for _, action, result in story.performed if result is Result.DONE
    ]
    for index in range(3):
        assert kinds.index(("snapshot", f"m-{index}")) < kinds.index(("cordon", f"m-{index}"))
    reported = [
        entry.record.detail
        for entry in story.entries
        if entry.record.form == "outcome" and entry.record.kind == "snapshot"
    ]
    assert [each["detail"] for each in reported] == ["/backup/etcd-100000.db"] * 3


def test_failed_snapshot_prevents_the_reboot(golden: GoldenFiles) -> None:
    story = a_story(3, QuorumRule(snapshot=SnapshotRule("/backup")))
    story.models["east"].quorums.full = "no space left on device: /backup"
    story.start()
    story.run(seconds=7200)
    failed = [run for run in story.rollout.runs.values() if run.step is Step.FAILED]
    golden.check("\n".join(run.why for run in failed))
    assert story.rollout.state is RolloutState.HALTED
    assert not any(action.kind in ("cordon", "reboot") for _, action, _ in story.performed)
    assert sum(isinstance(action, SaveSnapshot) for _, action, _ in story.performed) == 3


def test_members_are_defragmented_after_their_reboot_and_never_the_leader() -> None:
    story = a_story(3, QuorumRule(defragment=True))
    leaders = []

    def note() -> bool:
        if story.performed and isinstance(story.performed[-1][1], Defragment):
            leader = group_of(story).leader
            leaders.append((story.performed[-1][1].member, leader.name if leader else ""))
        return False

    story.start()
    story.run(until=note)
    done = [
        action
        for _, action, result in story.performed
        if isinstance(action, Defragment) and result is Result.DONE
    ]
    assert sorted(action.member for action in done) == ["m0", "m1", "m2"]
    assert all(member != leader for member, leader in leaders)
    kinds = [(action.kind, action.node.name) for _, action, _ in story.performed]
    assert all(kinds.index(("reboot", f"m-{i}")) < kinds.index(("defragment", f"m-{i}")) for i in range(3))


def test_single_member_goes_only_with_downtime_allowed() -> None:
    story = a_story(1)
    story.start()
    story.run(seconds=3600)
    assert story.engine.why(NodeRef("east", "m-0"), story.now)[0].reason is Reason.QUORUM_DOWNTIME
    willing = a_story(1, QuorumRule(downtime="allow"))
    willing.start()
    willing.run()
    assert willing.steps() == {"m-0": Step.DONE}


def test_leader_does_not_wait_for_a_member_that_cannot_go() -> None:
    story = a_story(3, leader=0)
    story.models["east"].stranger.cordon("m-2")
    story.start()
    story.run(seconds=7200, until=watched(story))
    assert story.steps() == {"m-0": Step.DONE, "m-1": Step.DONE, "m-2": Step.PENDING}


def test_killed_controller_continues_where_it_was() -> None:
    story = a_story(5, QuorumRule(snapshot=SnapshotRule("/backup"), defragment=True))
    story.start()
    look = watched(story)
    for _ in range(40):
        story.run(seconds=37, until=look)
        story.kill()
    story.run(until=look)
    assert set(story.steps().values()) == {Step.DONE}
    assert sorted(rebooted(story)) == [f"m-{index}" for index in range(5)]


def test_leader_stays_last_when_all_were_held_and_may_go_again_at_once() -> None:
    """As after a link that had cut off two of five was restored."""
    story = a_story(5, sites="aabbc", leader=0)
    for name in ("m2", "m3"):
        story.models["east"].quorums.change("etcd", name, reachable=False)
    story.start()
    story.run(seconds=600)
    assert rebooted(story) == []
    assert all(
        story.engine.why(NodeRef("east", f"m-{index}"), story.now)[0].needs_action for index in range(5)
    )
    for name in ("m2", "m3"):
        story.models["east"].quorums.change("etcd", name, reachable=True)
    story.run(until=watched(story))
    assert len(rebooted(story)) == 5 and rebooted(story)[-1] == "m-0"
