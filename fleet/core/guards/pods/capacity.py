"""Holds a node whose pods would find no place elsewhere, and decides which pods that only this node can take may wait
for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from fleet.core.capacity.capacity import ClusterCapacity
from fleet.core.capacity.trial_placement import Shortfall
from fleet.core.cluster.view import ClusterView
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason

NAMED = 5
"""The number of pods that are named; there may be a hundred on a node."""


def held(
    node: str,
    pods: Sequence[tuple[Pod, Sequence[PodRef]]],
    capacity: ClusterCapacity,
    in_work: Collection[str] = (),
) -> Held | None:
    """Returns what holds a node whose pods find no place elsewhere, or None. `pods`: the pods to drain, each with its
    budgets.

    A pod with a budget may wait for the node itself to come back if no other node could ever take the pod: the pod's
    owner has declared how many pods may be away, and the budget allows no other eviction until the pod is Ready again.
    The owner of a pod without a budget has not declared that the pod may be away.
    """
    may_wait = {pod.uid for pod, budgets in pods if budgets}
    pinned = capacity.pinned(node, [pod for pod, budgets in pods if not budgets])
    if pinned:
        return Held(Reason.PINNED, str(pinned[0].ref))
    shortfall = capacity.shortfall(node, [pod for pod, _ in pods], may_wait)
    if shortfall is None:
        return None
    requests = shortfall.pod.requests
    params: dict[str, str | int] = {
        "cpu": requests.cpu,
        "memory": _mebibytes(requests.memory),
        "lacks": _describe_shortfall(shortfall),
    }
    if short := _short_resources(shortfall):
        name, wanted, free = short[0]
        params |= {"resource": name, "asked": wanted, "free": free}
    back = [name for name in in_work if name != node and capacity.would_fit_after_drain(shortfall.pod, name)]
    if back:
        return Held(Reason.ROOM, str(shortfall.pod.ref), {**params, "back": _is_or_are(back)})
    if shortfall.volumes:
        params["advice"] = "move its data, or set drain.no_room: evict if it may wait for its own node"
    elif shortfall.ports:
        params["advice"] = (
            "free the port on another node, or set drain.no_room: evict if it may wait for its own node"
        )
    return Held(Reason.CAPACITY, str(shortfall.pod.ref), params)


def together(node: str, view: ClusterView, ref: PodRef, count: int) -> Held | None:
    """Returns what holds a node that has more pods that only this node can take than their budget ever allows to be
    away, or None.

    The first of these pods would wait for the node, and the others could never follow. `count`: the number of the
    node's pods that count against the budget.
    """
    allowed = view.budgets[ref].most_at_once
    if not 0 < allowed < count:
        return None
    bound = view.capacity.tied_to_node(
        node, [pod for pod, refs in view.drain_demand(node).moving if ref in refs and pod.ready]
    )
    if len(bound) <= allowed:
        return None
    named = ", ".join(str(pod.ref) for pod in bound[:NAMED])
    rest = f" and {len(bound) - NAMED} more" if len(bound) > NAMED else ""
    params: dict[str, str | int] = {"count": len(bound), "room": allowed, "pods": named + rest}
    return Held(Reason.PINNED_TOGETHER, str(ref), params)


def last(node: str, view: ClusterView, left: Sequence[Pod]) -> Collection[str]:
    """Returns the uids of the pods that must be evicted after the other pods of their budget.

    Only this node can take the returned pods. If they went first, they would use up what the budget allows until the
    node is back.
    """
    asking: dict[PodRef, list[Pod]] = {}
    for pod in left:
        if pod.deleting:
            continue
        for ref in view.budget_index.refs_of(pod):
            if view.budgets[ref].charges(pod):
                asking.setdefault(ref, []).append(pod)
    later: set[str] = set()
    for ref, pods in asking.items():
        # A single pod has no other to go before.
        if len(pods) > 1 and len(pods) > view.budgets[ref].most_at_once:
            bound = {pod.uid for pod in view.capacity.tied_to_node(node, pods)}
            if len(bound) < len(pods):
                later |= bound
    return later


def _is_or_are(names: Sequence[str]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{', '.join(names[:NAMED])} are"


def _describe_shortfall(shortfall: Shortfall) -> str:
    if shortfall.volumes:
        return f"its persistent volumes can be used on none of the {shortfall.suitable} other open nodes that suit it"
    if shortfall.apart:
        return _describe_affinity(shortfall)
    if shortfall.ports:
        ports = ", ".join(f"{port.port}/{port.protocol}" for port in shortfall.pod.ports)
        return f"another pod has its host port ({ports}) on every one of the {shortfall.suitable} other open nodes with room"
    if not shortfall.suitable:
        return "no other open node suits its node selector, affinity and tolerations"
    short = [
        f"{free} of the {wanted} {name}" if names_total else f"{free} {name}"
        for name, wanted, free, names_total in _amounts(shortfall)
    ]
    if shortfall.places < 1:
        short.append("no place for another pod")
    free_text = f"at most {', '.join(short)} free" if short else "not enough of all of it free on one"
    return f"{shortfall.suitable} other open nodes suit it, with {free_text} beside pods on their way"


def _describe_affinity(shortfall: Shortfall) -> str:
    pod = shortfall.pod
    if pod.near and not pod.apart:
        return "the pods that its pod affinity wants to be near leave it no other node with room"
    if not pod.apart:
        return "the anti-affinity of other pods leaves it no other node with room"
    return "its anti-affinity or topology spread leaves it no other node"


def _short_resources(shortfall: Shortfall) -> list[tuple[str, int, int]]:
    """Returns the resources of which no node has enough: the name, the amount requested, and the most that a node has
    free."""
    requests = shortfall.pod.requests
    if not shortfall.suitable or shortfall.volumes or shortfall.apart or shortfall.ports:
        return []
    free = dict(shortfall.others)
    amounts = [
        ("cpu", requests.cpu, shortfall.cpu),
        ("memory", requests.memory, shortfall.memory),
        ("ephemeral-storage", requests.storage, shortfall.storage),
        *((name, amount, free.get(name, 0)) for name, amount in requests.others),
    ]
    return [resource for resource in amounts if resource[2] < resource[1]]


def _amounts(shortfall: Shortfall) -> Iterator[tuple[str, str, str, bool]]:
    """Yields the same as text, and whether the requested amount is part of that text: the message already contains the
    pod's requests of cpu and memory."""
    for name, wanted, free in _short_resources(shortfall):
        if name == "cpu":
            yield name, f"{wanted}m", f"{free}m", False
        elif name == "memory":
            yield name, _mebibytes(wanted), _mebibytes(free), False
        elif name == "ephemeral-storage" or name.startswith("hugepages-"):
            yield name, _mebibytes(wanted), _mebibytes(free), True
        else:
            yield name, str(wanted), str(free), True


def _mebibytes(number: int) -> str:
    return f"{number / (1 << 20):.0f} MiB"
