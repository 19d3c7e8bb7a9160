"""A new minor version of etcd: the last voter waits until the others have proved it, and what cannot go back is held."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from fleet.core.cluster.upgraded_voters import UpgradedVoters, brought, upgraded_voters
from fleet.core.cluster.version_skew import MinorVersion
from fleet.core.guards import etcd
from fleet.core.objects.node import NodeRef
from fleet.core.quorum.quorum import Member, Quorum, QuorumRule
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import Reboot
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step
from fleet.lab.simulation.builders import NEW, OLD, START, a_group, a_node
from tests.unit.core.test_quorum_rollout import a_story, group_of, rebooted, with_rule

NEWER = "3.7.3"
RULE = QuorumRule(last_voter_seconds=600)
MINUTE = timedelta(minutes=1)


def group(**versions: str) -> Quorum:
    """m0, m1 and m2; each runs 3.6.8 unless given otherwise, `""`: it did not answer."""
    base = a_group([a_node(f"m-{index}") for index in range(3)])
    return replace(
        base, members=tuple(_with(each, versions.get(each.name, "3.6.8")) for each in base.members)
    )


def _with(member: Member, version: str) -> Member:
    return replace(member, version=version, reachable=bool(version), leader=member.leader and bool(version))


def node(index: int) -> NodeRef:
    return NodeRef("east", f"m-{index}")


class Images:
    """A rollout whose release brings etcd 3.7 to each node: a member reports no version while it is away, then the
    new one."""

    def __init__(self) -> None:
        self.story = a_story(3, RULE)
        self.proved: list[float] = []
        """When each came back with it."""

    def look(self) -> bool:
        for each in group_of(self.story).voters:
            if each.node is None or each.node.name not in rebooted(self.story):
                continue
            if not each.reachable and each.version != NEWER:
                self._tells(each, "")
            elif each.reachable and not each.version:
                self._tells(each, NEWER)
                self.proved.append(self.story.at)
        return False

    def _tells(self, member: Member, version: str) -> None:
        self.story.models["east"].quorums.change("etcd", member.name, version=version)

    def ended(self, count: int) -> bool:
        return self.look() or sum(step is Step.DONE for step in self.story.steps().values()) == count

    def rebooted_at(self, name: str) -> float:
        done = (
            at
            for at, action, _ in self.story.performed
            if isinstance(action, Reboot) and action.node.name == name
        )
        return next(done)


def test_last_voter_waits_until_the_others_have_run_the_new_version_for_a_while() -> None:
    images = Images()
    story = images.story
    story.start()
    story.run(until=lambda: images.ended(2))
    story.run(seconds=60, until=images.look)
    [held] = story.engine.why(node(0), story.now)
    assert (held.reason, held.params["old"], held.params["new"]) == (Reason.LAST_VOTER, "3.6", "3.7")
    assert not held.needs_action and len(rebooted(story)) == 2
    story.run(until=images.look)
    assert set(story.steps().values()) == {Step.DONE}
    assert len(images.proved) == 3 and 600 <= images.rebooted_at("m-0") - images.proved[1] < 650
    # What the members ran before and after is in the journal.
    assert story.run_of("m-0").etcd == {"etcd": "3.6.8"}
    assert story.run_of("m-1").etcd_after == {"etcd": NEWER}


def test_later_controller_reads_the_wait_from_the_journal() -> None:
    images = Images()
    story = images.story
    story.start()
    story.run(until=lambda: images.ended(2))
    ended = max(run.since for run in story.rollout.runs.values() if run.step is Step.DONE and run.since)
    story.run(until=lambda: images.look() or story.now >= ended + 5 * MINUTE)
    story.kill()
    story.run(until=images.look)
    waited = images.rebooted_at("m-0") - (ended - START).total_seconds()
    assert 600 <= waited < 650 and set(story.steps().values()) == {Step.DONE}


def test_releases_with_the_same_etcd_hold_nothing() -> None:
    story = a_story(3, QuorumRule(last_voter_seconds=100_000))
    story.start()
    story.run(seconds=10_000)
    assert len(rebooted(story)) == 3


@pytest.mark.parametrize(
    ("versions", "last"),
    [
        ({"m0": NEWER, "m1": NEWER}, (MinorVersion(3, 6), MinorVersion(3, 7))),
        ({"m0": NEWER}, None),
        ({"m0": "3.6.16", "m1": "3.6.16"}, None),
        ({"m2": NEWER}, None),
        # Nobody knows what m1 runs: it may be the newer one.
        ({"m0": NEWER, "m1": ""}, (MinorVersion(3, 6), MinorVersion(3, 7))),
        ({"m0": NEWER, "m1": NEWER, "m2": ""}, None),
        ({"m0": "a fork", "m1": NEWER}, (MinorVersion(3, 6), MinorVersion(3, 7))),
    ],
)
def test_last_voter_is_found(
    versions: dict[str, str], last: tuple[MinorVersion, MinorVersion] | None
) -> None:
    assert etcd.last_old(group(**versions), node(2)) == last


def test_learners_and_other_kinds_are_no_last_voter() -> None:
    mixed = group(m0=NEWER, m1=NEWER)
    learner = replace(mixed, members=tuple(replace(each, voter=each.name != "m2") for each in mixed.members))
    assert etcd.last_old(learner, node(2)) is None
    assert etcd.last_old(replace(mixed, kind="zookeeper"), node(2)) is None
    assert etcd.last_old(replace(mixed, declared=True), node(2)) is None


def test_wait_starts_again_after_a_newer_voter_was_unhealthy() -> None:
    mixed = group(m0=NEWER, m1=NEWER)
    first = upgraded_voters(mixed, None, START)
    assert first == UpgradedVoters(MinorVersion(3, 7), frozenset({"m0", "m1"}), START)
    assert upgraded_voters(mixed, first, START + MINUTE) is first
    # An older one that does not answer once, and a reading that failed, change nothing.
    assert upgraded_voters(group(m0=NEWER, m1=NEWER, m2=""), first, START + MINUTE) is first
    assert upgraded_voters(replace(mixed, unread="no answer"), first, START + MINUTE) is first
    away = upgraded_voters(group(m0=NEWER, m1=""), first, START + MINUTE)
    assert away is not None and away.since is None
    held = etcd.last_voter(mixed, RULE, node(2), away, START, START + 60 * MINUTE)
    assert held is not None and held[1] is None
    back = upgraded_voters(mixed, away, START + 2 * MINUTE)
    assert back is not None and (back.since, back.whole) == (START + 2 * MINUTE, False)
    assert etcd.last_voter(mixed, RULE, node(2), back, START, START + 11 * MINUTE) is not None
    assert etcd.last_voter(mixed, RULE, node(2), back, START, START + 12 * MINUTE) is None
    assert upgraded_voters(group(m0=NEWER, m1=NEWER, m2=NEWER), back, START + 13 * MINUTE) is None


def test_release_whose_etcd_cannot_read_the_data_is_held_with_a_remedy() -> None:
    def stored(storage: str, learner: str = "") -> Quorum:
        base = group(m0=NEWER, m1=NEWER, m2=NEWER)
        members = tuple(replace(each, storage=storage) for each in base.members)
        more = (Member("m3", voter=False, storage=learner),) if learner else ()
        return replace(base, members=(*members, *more))

    ran = {"etcd": "3.6.8"}
    held = etcd.data_format(stored("3.7.0"), node(0), ran)
    assert held is not None and held.reason is Reason.ETCD_DATA and held.needs_action
    assert (held.params["old"], held.params["data"]) == ("3.6", "3.7")
    # After the downgrade, and where it is not known what the release brings or what the data are, nobody is held.
    assert etcd.data_format(stored("3.6.0"), node(0), ran) is None
    assert etcd.data_format(stored("3.7.0"), node(0), {}) is None
    assert etcd.data_format(stored(""), node(0), ran) is None
    assert etcd.data_format(stored("3.6.0", learner="3.7.0"), node(0), ran) is None


def test_rollback_holds_the_voters_until_the_data_can_be_read() -> None:
    story = a_story(3, RULE, workers=1)
    for name in ("m0", "m1", "m2"):
        story.models["east"].quorums.change("etcd", name, version=NEWER, storage="3.7.0")
    goals = tuple(
        Goal(ref, f"uid-{ref.name}", "workers", etcd={"etcd": "3.6.8"} if ref.name[0] == "m" else {})
        for ref in (*(node(index) for index in range(3)), NodeRef("east", "w-0"))
    )
    story.start(goals=goals)
    story.run(seconds=3600)
    assert rebooted(story) == ["w-0"]
    [held] = story.engine.why(node(1), story.now)
    assert held.reason is Reason.ETCD_DATA
    for name in ("m0", "m1", "m2"):
        story.models["east"].quorums.change("etcd", name, storage="3.6.0")
    story.run()
    assert len(rebooted(story)) == 4


def a_run(version: str, before: str, after: str) -> Rollout:
    goal = Goal(node(0), "uid", "workers", from_version=OLD.version)
    rollout = Rollout("r-1", Start("", NEW, with_rule(RULE), (goal,)), START, "ada")
    reported = {"etcd": {"etcd": before}, "etcd_after": {"etcd": after} if after else {}}
    rollout.runs[node(0)] = replace(rollout.runs[node(0)], **reported)
    return rollout


@pytest.mark.parametrize(
    ("before", "after", "version", "known"),
    [
        ("3.6.8", "3.7.3", OLD.version, {(node(0), "uid"): {"etcd": "3.6.8"}}),
        ("3.6.8", "3.7.3", NEW.version, {(node(0), "uid"): {"etcd": "3.7.3"}}),
        ("3.6.8", "3.7.3", "another", {}),
        # It did not change with the release: it does not come with releases.
        ("3.6.8", "3.6.16", OLD.version, {}),
        ("3.7.3", "3.7.3", OLD.version, {}),
        ("3.6.8", "", OLD.version, {}),
    ],
)
def test_etcd_version_of_a_release_is_known_once_a_reboot_changed_it(
    before: str, after: str, version: str, known: dict[tuple[NodeRef, str], dict[str, str]]
) -> None:
    assert brought([a_run(version, before, after)], version) == known
