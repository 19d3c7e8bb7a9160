"""What room a cluster has for pods that are about to move.

A question is answered from counts in nearly all cases: where each node's free room is cut into places that would take
the largest pod on its way, and there are more places than pods on their way, every one of them finds one, in whatever
order they come. Where the counts do not say so, the pods are laid out on the nodes one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from enum import Enum, auto

from msgspec import Struct

from fleet.core.demand import Demand
from fleet.core.neighbours import Neighbours
from fleet.core.node import Node, Resources
from fleet.core.placement import domain_of
from fleet.core.pod import Pod
from fleet.core.takers import Takers

Size = tuple[int, int]
"""millicores and bytes, each rounded up to a power of two."""


class Elsewhere(Enum):
    """When other nodes can take a pod."""

    NOW = auto()
    LATER = auto()
    """Once one of those that are being worked on is back."""
    NEVER = auto()


class Lack(Struct, frozen=True):
    """The pod that finds no place, and why."""

    pod: Pod
    suitable: int
    """Other open nodes that its selector and tolerations let it go to."""
    cpu: int = 0
    """The most that one of them has free, as would be left once those on their way have landed: millicores."""
    memory: int = 0
    """bytes"""
    places: int = 0
    """Pods."""
    apart: bool = False
    """There is room; the distance that it has to keep from other pods leaves it no node."""


class Places:
    """How many pods of one size the nodes that suit one demand take."""

    __slots__ = ("dirty", "most", "of", "total")

    def __init__(self, names: Iterable[str]) -> None:
        self.of: dict[str, int] = {}
        self.total = 0
        self.most = 0
        """The most on one node so far: what a dirty one can have lost."""
        self.dirty = set(names)
        """Nodes whose count may have changed."""


class Room:
    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._used: dict[str, list[int]] = {}
        """By node: millicores, bytes and pods that are taken."""
        self._leaving: dict[str, dict[str, Pod]] = {}
        """By node that is drained or about to be: pods that still have to go, by uid."""
        self._unbound: dict[str, Pod] = {}
        self._way: Counter[Size] = Counter()
        """Pods on their way, by size: those that leave, and those without a node."""
        self._suits: dict[Demand, dict[str, bool]] = {}
        self._takers = Takers()
        self._places: dict[tuple[Demand, Size], Places] = {}
        self._neighbours = Neighbours()

    def see_node(self, node: Node) -> None:
        self._nodes[node.name] = node
        self._takers.see_node(node)
        self._neighbours.see_node(node)
        self._node_changed(node.name)

    def lose_node(self, name: str) -> None:
        self._nodes.pop(name, None)
        self._neighbours.lose_node(name)
        self._takers.lose_node(name)
        self._node_changed(name)

    def see_pod(self, before: Pod | None, pod: Pod) -> None:
        if before is not None:
            known = (before.node, before.phase, before.requests, before.labels)
            if known == (pod.node, pod.phase, pod.requests, pod.labels):
                return
            self.lose_pod(before)
        if pod.finished:
            return
        if pod.node:
            self._take(pod, 1)
            leaving = self._leaving.get(pod.node)
            if leaving is not None and moves(pod):
                leaving[pod.uid] = pod
                self._way[size_of(pod.requests)] += 1
        elif moves(pod) and not pod.deleting:
            self._unbound[pod.uid] = pod
            self._way[size_of(pod.requests)] += 1

    def lose_pod(self, pod: Pod) -> None:
        if pod.finished:
            return
        if pod.node:
            self._take(pod, -1)
            gone = self._leaving.get(pod.node, {}).pop(pod.uid, None)
        else:
            gone = self._unbound.pop(pod.uid, None)
        if gone is not None:
            self._left(gone)

    def leave(self, name: str, pods: Iterable[Pod]) -> None:
        """The node is to be drained: it is no place any more, and its pods are on their way."""
        if name not in self._leaving:
            self._leaving[name] = {pod.uid: pod for pod in pods if moves(pod)}
            self._way.update(size_of(pod.requests) for pod in self._leaving[name].values())
            self._changed(name)

    def stay(self, name: str) -> bool:
        """Its drain is over. Answers whether it was one."""
        pods = self._leaving.pop(name, None)
        if pods is None:
            return False
        for pod in pods.values():
            self._left(pod)
        self._changed(name)
        return True

    def lack(self, name: str, pods: Sequence[Pod], patient: Collection[str] = ()) -> Lack | None:
        """Which of these pods, all of the node, finds no place elsewhere if it is drained now.

        `patient`: by uid, pods that may wait for this node where no other could ever take them. Where one could once it
        is back in service, that is waited for.
        """
        going = [
            pod for pod in pods if moves(pod) and not (pod.uid in patient and self._takers.alone(name, pod))
        ]
        if not going:
            return None
        if not self._plenty(name, going) and (lack := self._lay_out(name, going)):
            return lack
        for pod in going:
            if pod.apart:
                where = self._elsewhere(name, pod)
                if where is Elsewhere.LATER or (where is Elsewhere.NEVER and pod.uid not in patient):
                    return Lack(pod, 0, apart=True)
        return None

    def pinned(self, name: str, pods: Iterable[Pod]) -> list[Pod]:
        """Pods that no node but this one could take, by node selector, affinity, taints that last and size."""
        return [pod for pod in pods if moves(pod) and self._takers.alone(name, pod)]

    def bound(self, name: str, pods: Iterable[Pod]) -> list[Pod]:
        """Those that are pinned, and those that the distance which they keep from others leaves no other node."""
        return [
            pod
            for pod in pods
            if moves(pod)
            and (
                self._takers.alone(name, pod) or (pod.apart and self._elsewhere(name, pod) is Elsewhere.NEVER)
            )
        ]

    def _elsewhere(self, leaver: str, pod: Pod) -> Elsewhere:
        """Whether the nodes that its distance from others leaves to it are as many as the pods like it on their way."""
        away = (leaver, *self._leaving)
        demand = Demand.of(pod)
        wanted = 1 + max(self._neighbours.on(rule, self._leaving) for rule in pod.apart)
        found: set[str] = set()
        later = False
        for name, node in self._nodes.items():
            if name == leaver or not demand.admits(node) or not self._neighbours.allow(pod, node, away):
                continue
            if self._open_for(name, demand) and _fits(self._free(name), pod.requests):
                found.add("/".join(domain_of(node, rule.topology) or name for rule in pod.apart))
                if len(found) >= wanted or any(rule.skew for rule in pod.apart):
                    return Elsewhere.NOW
            elif name in self._leaving or node.cordoned_by:
                later = True
        return Elsewhere.LATER if later else Elsewhere.NEVER

    def _plenty(self, name: str, going: Sequence[Pod]) -> bool:
        sizes = [*self._way, *{size_of(pod.requests) for pod in going}]
        largest = (max(cpu for cpu, _ in sizes), max(memory for _, memory in sizes))
        wanted = self._way.total() + len(going)
        return all(
            self._enough(demand, largest, wanted, name) for demand in {Demand.of(pod) for pod in going}
        )

    def _enough(self, demand: Demand, size: Size, wanted: int, leaver: str) -> bool:
        places = self._places.get((demand, size))
        if places is None:
            places = self._places[demand, size] = Places(self._nodes)
        # The leaver's own places, and whatever those that have changed had, may be gone.
        if places.total - (len(places.dirty) + 1) * places.most >= wanted:
            return True
        for name in places.dirty:
            now = self._count(name, demand, size)
            places.total += now - places.of.get(name, 0)
            places.of[name] = now
            places.most = max(places.most, now)
        places.dirty.clear()
        return places.total - places.of.get(leaver, 0) >= wanted

    def _count(self, name: str, demand: Demand, size: Size) -> int:
        if not self._open_for(name, demand):
            return 0
        cpu, memory, pods = self._free(name)
        fits = min(cpu // size[0] if size[0] else pods, memory // size[1] if size[1] else pods, pods)
        return max(0, fits)

    def _open_for(self, name: str, demand: Demand) -> bool:
        node = self._nodes.get(name)
        if node is None or name in self._leaving:
            return False
        known = self._suits.setdefault(demand, {})
        if name not in known:
            known[name] = demand.suits(node)
        return known[name]

    def _free(self, name: str) -> list[int]:
        size = self._nodes[name].allocatable
        cpu, memory, pods = self._used.get(name, (0, 0, 0))
        return [size.cpu - cpu, size.memory - memory, size.pods - pods]

    def _lay_out(self, leaver: str, going: Sequence[Pod]) -> Lack | None:
        """Puts the pods on the nodes, those on their way first, the largest first; the first that fits.

        Pods on their way that fit nowhere take no room from others.
        """
        free = {name: self._free(name) for name in self._nodes if name != leaver}
        names: dict[Demand, list[str]] = {}
        reached: dict[tuple[Demand, Resources], int] = {}
        way = [*self._unbound.values(), *(pod for pods in self._leaving.values() for pod in pods.values())]
        for ours, pods in ((False, way), (True, going)):
            for pod in sorted(pods, key=_largest):
                demand, asked = Demand.of(pod), pod.requests
                if demand not in names:
                    names[demand] = [name for name in free if self._open_for(name, demand)]
                suitable = names[demand]
                # What was too full for such a pod before has not become emptier.
                at = reached.get((demand, asked), 0)
                while at < len(suitable) and not _fits(free[suitable[at]], asked):
                    at += 1
                reached[demand, asked] = at
                if at < len(suitable):
                    left = free[suitable[at]]
                    left[0], left[1], left[2] = left[0] - asked.cpu, left[1] - asked.memory, left[2] - 1
                elif ours:
                    rest = [free[name] for name in suitable]
                    most = [max((each[index] for each in rest), default=0) for index in range(3)]
                    cpu, memory, places = (max(0, each) for each in most)
                    return Lack(pod, len(suitable), cpu, memory, places)
        return None

    def _take(self, pod: Pod, sign: int) -> None:
        used = self._used.get(pod.node)
        if used is None:
            used = self._used[pod.node] = [0, 0, 0]
        asked = pod.requests
        used[0] += sign * asked.cpu
        used[1] += sign * asked.memory
        used[2] += sign
        self._neighbours.take(pod, sign)
        for places in self._places.values():
            places.dirty.add(pod.node)

    def _left(self, pod: Pod) -> None:
        size = size_of(pod.requests)
        self._way[size] -= 1
        if not self._way[size]:
            del self._way[size]

    def _node_changed(self, name: str) -> None:
        for known in self._suits.values():
            known.pop(name, None)
        self._changed(name)

    def _changed(self, name: str) -> None:
        for places in self._places.values():
            places.dirty.add(name)


def moves(pod: Pod) -> bool:
    """It comes back elsewhere when it is evicted: what has no controller is lost, not moved."""
    return pod.owner is not None and not pod.stays and not pod.finished


def size_of(asked: Resources) -> Size:
    return _power(asked.cpu), _power(asked.memory)


def _power(number: int) -> int:
    return 1 << (number - 1).bit_length() if number > 0 else 0


def _largest(pod: Pod) -> tuple[int, int, str]:
    return -pod.requests.memory, -pod.requests.cpu, pod.uid


def _fits(left: Sequence[int], asked: Resources) -> bool:
    return left[0] >= asked.cpu and left[1] >= asked.memory and left[2] >= 1
