"""Holds a node with members of a quorum group that cannot do without the node, or of which another node should go
first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from fleet.core.guards import etcd
from fleet.core.objects.node import NodeRef
from fleet.core.quorum.quorum import (
    MOVES_LEADER,
    Member,
    Quorum,
    QuorumRule,
    best_leader,
    breaking_links,
    breaking_sites,
    commit_seconds,
    foremost,
    healthy,
    majority_sites,
    tolerates,
    unhealthy_members,
    why_unhealthy,
)
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.text.counts import counted


class GoOrder(NamedTuple):
    """The order in which the nodes of a group go: the lowest goes first."""

    leads: bool
    breaking: int
    """The number of sites whose loss would break the quorum of the remaining members."""
    links: int
    """The number of links between two sites whose loss would do the same."""
    commit: float
    """Seconds that a commit takes while the member is away. Infinite if nothing was measured."""
    name: str


class GroupWithoutNode(NamedTuple):
    """The state of a quorum group while one of its nodes is away."""

    group: str
    member: str
    commit_seconds: float | None
    breaking: tuple[str, ...]
    """Sites of which none may be lost meanwhile."""
    links: tuple[str, ...]
    """Links between two sites of which none may be lost meanwhile, such as `fra-nyc`."""
    etcd: str = ""
    """The version of etcd that the member runs. Empty: not reported, or the group is not an etcd."""
    last_before: str = ""
    """The newer minor version of etcd that all other members run. Empty: the others do not all run a newer one."""
    data: str = ""
    """The version whose storage format the data of an etcd have."""


def group_without(group: Quorum, rule: QuorumRule, node: NodeRef) -> GroupWithoutNode | None:
    """Returns the state of the group without the node. Returns None if no voter is on the node."""
    place = rank(group, rule, node)
    if place is None:
        return None
    remaining = _without(group, rule, node)
    commit = place.commit if place.commit != float("inf") else None
    names = _names([member for member in group.on(node) if member.voter])
    sites = breaking_sites(remaining, group.majority)
    return GroupWithoutNode(
        group.name, names, commit, sites, _links(remaining, group.majority), *etcd.versions(group, node)
    )


def held(group: Quorum, rule: QuorumRule, node: NodeRef, away: Collection[NodeRef]) -> Held | None:
    """Returns what holds a node whose group cannot do without it now, or None.

    `away`: the nodes that rollouts have taken out of service and not given back; `node` may be among them.

    Learners do not vote: a node with no voter is not held.
    """
    going = tuple(member for member in group.on(node) if member.voter)
    if not going:
        return None
    if group.unread and not group.declared:
        reason = Reason.QUORUM_WRONG if group.wrong else Reason.QUORUM_UNREAD
        return Held(reason, group.name, {"why": group.unread})
    gone = next((voter for voter in group.voters if voter.node in away and voter.node != node), None)
    if gone is not None:
        return Held(Reason.QUORUM_AWAY, group.name, {"member": gone.name, "node": _named(gone)})
    if tolerates(len(group.voters)) < len(going):
        return _downtime(group, rule, going)
    return _majority(group, rule, going) or _stretch(group, rule, going)


def _downtime(group: Quorum, rule: QuorumRule, going: Sequence[Member]) -> Held | None:
    """Returns what holds voters without which the group has no majority, or None. Such voters go only where the policy
    allows the downtime, and only while all others are healthy."""
    if rule.downtime == "hold":
        params: dict[str, str | int] = {
            "voters": _voters(len(group.voters)),
            "spare": tolerates(len(group.voters)),
            "member": _names(going),
            **etcd.remedy_of_adding(
                group, f"set downtime: allow for {group.name} if its users can bear it, or add voters"
            ),
        }
        return Held(Reason.QUORUM_DOWNTIME, group.name, params)
    unhealthy = [
        (member, why)
        for member, why in unhealthy_members(group, rule)
        if member.voter and member not in going
    ]
    if not unhealthy:
        return None
    unhealthy_text = "; ".join(f"{member.name} {why}" for member, why in unhealthy)
    unhealthy_params: dict[str, str | int] = {"member": _names(going), "ill": unhealthy_text}
    return Held(
        Reason.QUORUM_ILL, group.name, unhealthy_params | _remedy(group, [member for member, _ in unhealthy])
    )


def _majority(group: Quorum, rule: QuorumRule, going: Sequence[Member]) -> Held | None:
    remaining = [member for member in healthy(group, rule) if member not in going]
    needed = group.majority + rule.margin
    if len(remaining) >= needed:
        return None
    unhealthy_text = "; ".join(
        f"{member.name} {why}" for member, why in unhealthy_members(group, rule) if member.voter
    )
    params: dict[str, str | int] = {
        "member": _names(going),
        "remaining": len(remaining),
        "voters": len(group.voters),
        "needed": needed,
        "ill": f": {unhealthy_text}" if unhealthy_text else "",
    }
    if needed > len(group.voters) - len(going):
        params |= etcd.remedy_of_adding(
            group, f"lower the margin of quorum group {group.name}, or add voters"
        )
        return Held(Reason.QUORUM_NEVER, group.name, params)
    unhealthy = [member for member, _ in unhealthy_members(group, rule) if member.voter]
    return Held(Reason.QUORUM, group.name, params | _remedy(group, unhealthy))


def _remedy(group: Quorum, unhealthy: Sequence[Member]) -> dict[str, str | int]:
    """Returns how to lift the alarms, as the parameter that replaces the usual remedy."""
    remedy = etcd.remedy(group, unhealthy)
    return {"advice": remedy} if remedy else {}


def _stretch(group: Quorum, rule: QuorumRule, going: Sequence[Member]) -> Held | None:
    """Returns what holds voters whose absence would leave a majority that a single site or link can break, or None. A
    loss counts only if the group would survive it with its unhealthy members back."""
    if rule.stretch == "allow":
        return None
    remaining = [member for member in healthy(group, rule) if member not in going]
    whole = [member for member in group.voters if member not in going]
    borne = set(_losses(whole, group.majority))
    worse = [loss for loss in _losses(remaining, group.majority) if loss not in borne]
    if not worse:
        return None
    absent = [member for member in whole if member not in remaining]
    now, then = majority_sites(group, remaining), majority_sites(group, whole)
    better = f"keeps it inside {'+'.join(then)}" if then != now else "lets the group survive that"
    params: dict[str, str | int] = {
        "member": _names(going),
        "sites": "+".join(now),
        "breaking": " or ".join(worse),
        "other": _names(absent),
        "better": better,
        **_remedy(group, absent),
    }
    return Held(Reason.QUORUM_STRETCH, group.name, params)


def leads(group: Quorum, rule: QuorumRule, node: NodeRef) -> bool:
    """Returns whether the group's leader is on the node, leadership can be moved, and another member could lead."""
    leader = group.leader
    if group.kind not in MOVES_LEADER or leader is None or leader.node != node:
        return False
    return any(member.node != node for member in healthy(group, rule))


def why_no_reboot(group: Quorum, rule: QuorumRule, node: NodeRef) -> str:
    """Returns why the node must not reboot at this moment, by a fresh reading of the group. Empty: it may reboot.

    Asked by the driver that performs the reboot.
    """
    blocking = held(group, rule, node, ())
    if blocking is not None:
        return blocking.message
    return f"a member on {node.name} leads {group.name}" if leads(group, rule, node) else ""


def order(group: Quorum, rule: QuorumRule, node: NodeRef, peers: Collection[NodeRef]) -> Held | None:
    """Returns what holds a node while another node of the group should go first, or None. `peers`: the nodes that may
    go now too."""
    own = rank(group, rule, node)
    ranks = [(peer_place, peer) for peer in peers if peer != node and (peer_place := rank(group, rule, peer))]
    if own is None or not ranks:
        return None
    best, first = min(ranks)
    # Nodes that differ in nothing but their names do not wait for each other.
    if best[:-1] >= own[:-1]:
        return None
    params: dict[str, str | int] = {
        "member": _names(group.on(node)),
        "first": _names(group.on(first)),
        "why": _why(group, rule, node, first, own, best),
    }
    return Held(Reason.QUORUM_ORDER, group.name, params)


def _why(group: Quorum, rule: QuorumRule, node: NodeRef, first: NodeRef, own: GoOrder, best: GoOrder) -> str:
    if own.leads:
        return "it leads, and the leader goes last"
    if (own.breaking, own.links) > (best.breaking, best.links):
        without_node, without_first = _without(group, rule, node), _without(group, rule, first)
        return (
            f"without it {_describe_majority(group, without_node)}, "
            f"without {_names(group.on(first))} {_describe_majority(group, without_first)}"
        )
    return (
        f"a commit takes {_milliseconds(own.commit)} without it, and {_milliseconds(best.commit)} "
        f"without {_names(group.on(first))}"
    )


def rank(group: Quorum, rule: QuorumRule, node: NodeRef) -> GoOrder | None:
    """Returns the node's place in the order. Returns None if no voter is on the node."""
    going = [member for member in group.on(node) if member.voter]
    if not going:
        return None
    remaining = _without(group, rule, node)
    leads = any(member.leader for member in going)
    leader = next((candidate for candidate in remaining if candidate.leader), None) or best_leader(
        group, remaining, frozenset()
    )
    commit = commit_seconds(group, leader, remaining) if leader is not None else None
    breaking = len(breaking_sites(remaining, group.majority))
    links = len(breaking_links(remaining, group.majority))
    return GoOrder(leads, breaking, links, commit if commit is not None else float("inf"), going[0].name)


def why_not_recovered(group: Quorum, rule: QuorumRule, node: NodeRef) -> str:
    """Returns why the group has not recovered after the node's reboot.

    Empty: the group's members on the node are in step, and the healthy voters are a majority.
    """
    if group.unread and not group.declared:
        return f"group {group.name} cannot be read: {group.unread}"
    highest = foremost(group)
    for member in group.on(node):
        if why := why_unhealthy(member, group, rule, highest):
            return f"member {member.name} of {group.name} {why}"
    healthy_count = len(healthy(group, rule))
    if any(member.voter for member in group.on(node)) and healthy_count < group.majority:
        return f"{healthy_count} of {len(group.voters)} voters of {group.name} are healthy"
    if group.led and not group.declared and group.leader is None:
        return f"group {group.name} has no leader"
    return ""


def _losses(remaining: Sequence[Member], needed: int) -> tuple[str, ...]:
    """Returns the sites and links whose loss breaks the quorum of the remaining members, as a message names them."""
    links = (f"the link {link}" for link in _links(remaining, needed))
    return (*breaking_sites(remaining, needed), *links)


def _links(remaining: Sequence[Member], needed: int) -> tuple[str, ...]:
    return tuple(f"{one}-{other}" for one, other in breaking_links(remaining, needed))


def _without(group: Quorum, rule: QuorumRule, node: NodeRef) -> list[Member]:
    return [member for member in healthy(group, rule) if member.node != node]


def _names(members: Sequence[Member]) -> str:
    return ", ".join(member.name for member in members)


def _named(member: Member) -> str:
    return member.node.name if member.node is not None else "?"


def _voters(count: int) -> str:
    return counted(count, "voter")


def _describe_majority(group: Quorum, remaining: Sequence[Member]) -> str:
    """Returns where the nearest majority of these members is, and which losses break it, for a message."""
    if len({member.site for member in remaining}) == 1:
        return f"all are in {remaining[0].site}"
    breaking = _losses(remaining, group.majority)
    sites = "+".join(majority_sites(group, remaining))
    if not breaking:
        return f"the majority is {sites}, and survives the loss of any site"
    return f"the majority is {sites}, which the loss of {' or '.join(breaking)} breaks"


def _milliseconds(seconds: float) -> str:
    if seconds == float("inf"):
        return "an unknown time"
    return f"{seconds * 1000:.1f} ms"
