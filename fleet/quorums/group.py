"""Makes a quorum group from its pods and their answers. A member whose state is unknown counts as unavailable, and as
a voter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from msgspec.structs import replace

from fleet.core.objects.node import Node, NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.quorum.groups import GroupMembers, QuorumGroup, place_name
from fleet.core.quorum.probe import Probe
from fleet.core.quorum.quorum import Member, Quorum
from fleet.quorums.answer import UnreadableAnswer, found, holds, number, parse, shown

SILENT_SECONDS = 5.0
"""Seconds of silence after which a member does not count. Kafka's controllers fetch twice a second, and start an
election after two seconds without an answer."""


class PodsPlace(NamedTuple):
    """The cluster, nodes and site in which the pods run."""

    nodes: Mapping[str, Node]
    site: str
    """The cluster's site; a node's own label takes precedence."""


def pods_of(members: GroupMembers, pods: Iterable[Pod]) -> tuple[Pod, ...]:
    """Returns the pods of the group's members, sorted by name."""
    chosen = (
        pod
        for pod in pods
        if pod.namespace == members.namespace and members.selector.matches(pod.labels) and not pod.finished
    )
    return tuple(sorted(chosen, key=lambda pod: pod.name))


def quorum_of(
    group: QuorumGroup,
    place: PodsPlace,
    pods: Sequence[Pod],
    answers: Mapping[str, bytes | str],
    at: datetime,
) -> Quorum:
    """Returns the group. `pods` are the group's own; `answers` has for each pod its answer, or why there is none.
    Raises ValueError for an etcd."""
    if group.members is None:
        raise ValueError(f"{group.name} is an etcd")
    probe = group.members.probe if not group.wrong else None
    members = [_member(group, place, pod) for pod in pods]
    unread = "" if pods else f"no pod of namespace {group.members.namespace} is one of its members"
    if probe is not None and pods:
        parsed, why = _parsed(probe, pods, answers)
        members = [_with_error(member, why) for member in members]
        if not parsed:
            unread = f"no member answers: {next(iter(why.values()), 'no member was asked')}"
            members = [replace(member, reachable=False) for member in members]
        elif probe.members:
            members, unread = _listed(probe, members, list(parsed.values()))
        else:
            members = [_own(probe, member, parsed.get(member.name)) for member in members]
        members = _settled(probe, _in_epoch(probe, members), parsed.values())
    return Quorum(
        name=group.name,
        kind=group.kind,
        members=tuple(_counted(group, members)),
        declared=probe is None and not group.wrong,
        led=probe is not None and probe.leader is not None,
        unread=group.wrong or unread,
        wrong=bool(group.wrong),
        rule=group.rule if group.source else None,
        read_at=at,
    )


def _member(group: QuorumGroup, place: PodsPlace, pod: Pod) -> Member:
    node = place.nodes.get(pod.node)
    ready = pod.ready and not pod.deleting and pod.phase == "Running"
    return Member(
        name=pod.name,
        node=NodeRef(group.cluster, pod.node) if pod.node else None,
        site=place_name(node, place.site, group.spread) if node is not None else place.site,
        reachable=ready,
        errors=() if ready else ("its pod is not Ready",),
    )


def _parsed(
    probe: Probe, pods: Sequence[Pod], answers: Mapping[str, bytes | str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Returns the readable answers by pod, and for the other pods why there is none."""
    parsed: dict[str, Any] = {}
    why: dict[str, str] = {}
    for pod in pods:
        answer = answers.get(pod.name)
        if not isinstance(answer, bytes):
            if answer or not probe.heavy:
                why[pod.name] = answer or "was not asked"
            continue
        try:
            parsed[pod.name] = parse(answer, probe)
        except UnreadableAnswer as error:
            why[pod.name] = str(error)
    return parsed, why


def _with_error(member: Member, why: Mapping[str, str]) -> Member:
    cause = why.get(member.name)
    return replace(member, errors=(*member.errors, cause)) if cause else member


def _own(probe: Probe, member: Member, answer: Any) -> Member:
    """Returns the member according to its own answer."""
    if answer is None:
        return replace(member, reachable=False)
    return _with_answer(probe, member, answer)


def _with_answer(probe: Probe, member: Member, entry: Any) -> Member:
    well = member.reachable and (probe.healthy is None or holds(entry, probe.healthy))
    leads = well and probe.leader is not None and holds(entry, probe.leader)
    health = shown(found(entry, probe.healthy.path)) if probe.healthy is not None else ""
    return replace(
        member,
        reachable=well,
        errors=member.errors
        if well or not member.reachable
        else (*member.errors, f"reports {health or 'no health'}"),
        leader=leads,
        # A member whose answer does not say whether it votes counts as a voter.
        voter=probe.voter is None or holds(entry, probe.voter) or found(entry, probe.voter.path) is None,
        index=_index(probe, entry, leads),
        version=shown(found(entry, probe.version)) if probe.version else "",
    )


def _index(probe: Probe, entry: Any, leads: bool) -> int | None:
    """Returns the progress of a member. In a group that is asked for neither index nor lag, every healthy member
    counts as up to date."""
    if probe.index:
        return number(entry, probe.index)
    if not probe.lag:
        return 0
    lag = number(entry, probe.lag)
    if lag is None:
        return 0 if leads else None
    return -lag


def _listed(probe: Probe, members: Sequence[Member], answers: Sequence[Any]) -> tuple[list[Member], str]:
    """Returns the members according to answers that list all members, with the worse state where answers differ; and
    why the answers cannot be used, or an empty text."""
    entries: dict[str, list[Any]] = {}
    unheard: dict[str, str] = {}
    for answer in answers:
        rows = found(answer, probe.members)
        rows = rows if isinstance(rows, list) else []
        for row in rows:
            entries.setdefault(shown(found(row, probe.name)), []).append(row)
        unheard |= _silent_members(probe, rows)
    if not entries:
        return [replace(member, reachable=False) for member in members], f"the answer has no {probe.members}"
    named = {name: _named(name, members) for name in entries}
    listed = {member.name: name for name, member in named.items() if member is not None}
    strangers = [name for name, member in named.items() if member is None]
    if strangers and len(listed) < len(members):
        # The unknown name may be another name of one of the pods, or another member: a guess could count a voter
        # twice.
        whole = [replace(member, reachable=False) for member in members]
        return (
            whole,
            f"member {strangers[0]!r} is none of the pods {', '.join(member.name for member in members)}",
        )
    mine = [
        _unreachable(_worst([_with_answer(probe, member, row) for row in entries[name]]), unheard.get(name))
        if (name := listed.get(member.name)) is not None
        else replace(member, voter=False, started=False)
        for member in members
    ]
    gone = (Member(name, errors=("it has no pod",)) for name in strangers)
    others = [_worst([_with_answer(probe, member, row) for row in entries[member.name]]) for member in gone]
    return [*mine, *others], ""


def _silent_members(probe: Probe, rows: Sequence[Any]) -> dict[str, str]:
    """Returns why members do not count, by their names in the answer: the leader has not heard from them recently,
    compared with its newest contact."""
    if not probe.heard:
        return {}
    times = {shown(found(row, probe.name)): number(row, probe.heard) for row in rows}
    last = max((time for time in times.values() if time is not None), default=-1)
    return {
        name: "the leader has never heard from it"
        if time is None or time < 0
        else f"the leader has not heard from it for {(last - time) / 1000:.0f} s"
        for name, time in times.items()
        if time is None or time < 0 or last - time > SILENT_SECONDS * 1000
    }


def _unreachable(member: Member, why: str | None) -> Member:
    return replace(member, reachable=False, errors=(*member.errors, why)) if why else member


def _named(name: str, members: Sequence[Member]) -> Member | None:
    """Returns the member whose pod has the first label of that host name as its name, or whose pod has that ordinal if
    only one pod does."""
    first = name.partition(".")[0]
    same = [member for member in members if member.name == first]
    if not same and name.isdigit():
        same = [member for member in members if member.name.rpartition("-")[2] == name]
    return same[0] if len(same) == 1 else None


def _worst(views: Sequence[Member]) -> Member:
    indexes = [view.index for view in views]
    return replace(
        views[0],
        reachable=all(view.reachable for view in views),
        voter=any(view.voter for view in views),
        leader=all(view.leader for view in views),
        index=min((index for index in indexes if index is not None), default=None)
        if None not in indexes
        else None,
        errors=tuple(dict.fromkeys(error for view in views for error in view.errors)),
    )


def _in_epoch(probe: Probe, members: list[Member]) -> list[Member]:
    leader = next((member for member in members if member.leader), None)
    top = leader.index if leader is not None else None
    if not probe.epoch_bits or not top or top % (1 << probe.epoch_bits):
        return members
    return [
        replace(member, index=top)
        if member.reachable and member.index is not None and member.index < top
        else member
        for member in members
    ]


def _settled(probe: Probe, members: list[Member], answers: Iterable[Any]) -> list[Member]:
    wrong = dict.fromkeys(
        f"{term.path} is {shown(found(answer, term.path)) or 'not reported'}"
        for answer in answers
        for term in probe.settled
        if not holds(answer, term)
    )
    return [replace(member, alarms=tuple(wrong)) for member in members] if wrong else members


def _counted(group: QuorumGroup, members: list[Member]) -> list[Member]:
    """Returns the members with as many voters as were declared: missing voters are added as unavailable, and if enough
    voters are certain, a member that does not answer is not counted as one more."""
    declared = group.members.voters if group.members is not None else None
    if declared is None:
        return members
    sure = sum(member.voter and member.reachable for member in members)
    if sure >= declared:
        members = [member if member.reachable else replace(member, voter=False) for member in members]
    missing = declared - sum(member.voter for member in members)
    return [*members, *(Member(f"missing-{number}", started=False) for number in range(1, missing + 1))]
