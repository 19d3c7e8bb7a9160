"""Pods laid out on the nodes one by one: who finds a place, and what the first that finds none lacks.

A layout is a trial: counts of neighbours are changed while it lasts, and are as before when it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

from msgspec import Struct

from fleet.core.capacity.node_usage import NO_USAGE, NodeUsage
from fleet.core.capacity.topology import PlacementCheck, TopologyCounts
from fleet.core.objects.demand import Demand
from fleet.core.objects.node import Node, Resources
from fleet.core.objects.pod import Pod
from fleet.core.objects.volumes import ClusterVolumes

MAX_ORDERS = 4
"""Orders in which the pods are laid out at most, each with the one that found no place before the others."""


class Shortfall(Struct, frozen=True):
    """The pod that finds no place, and why."""

    pod: Pod
    suitable: int
    """Other open nodes that its selector, affinity, volumes and tolerations let it go to."""
    cpu: int = 0
    """The most that one of them has free, as would be left once those on their way have landed: millicores."""
    memory: int = 0
    """bytes"""
    places: int = 0
    """Pods."""
    apart: bool = False
    """There is room; what it asks of its neighbours, or they of it, leaves it no node."""
    storage: int = 0
    """bytes"""
    others: tuple[tuple[str, int], ...] = ()
    """The same of the other resources that it asks for, by name."""
    ports: bool = False
    """There is room; its ports are taken wherever there is."""
    volumes: bool = False
    """Nodes would suit it, and its persistent volumes can be used on none of them."""


class TrialBase(NamedTuple):
    """The cluster without the pods that are laid out."""

    nodes: Mapping[str, Node]
    taken: Mapping[str, NodeUsage]
    placeholders: Mapping[str, Mapping[str, Pod]]
    leaving: Mapping[str, Mapping[str, Pod]]
    neighbours: TopologyCounts


class TrialPlacement:
    def __init__(
        self,
        rest: TrialBase,
        leaver: str,
        leavers: Sequence[Pod],
        is_open: Callable[[str, Demand], bool],
        volumes: ClusterVolumes,
        patient: Collection[str],
    ) -> None:
        """`leavers`: all pods that the drain of `leaver` takes away, also those that are not laid out."""
        self._rest = rest
        self._leaver = leaver
        self._leavers = leavers
        self._is_open = is_open
        self._volumes = volumes
        self._patient = patient
        self._names: dict[Demand, tuple[list[str], Iterator[str]]] = {}
        """Nodes that suit a demand."""
        self._taken: dict[str, NodeUsage] = {}
        """Of nodes on which pods have been laid out."""
        self._cleared: set[str] = set()
        """Nodes whose placeholders have made way."""
        self._moved: list[tuple[Pod, str, int]] = []
        """What the trial has changed in the counts of neighbours."""
        self._reached: dict[tuple[Demand, Resources], int] = {}
        """How far the suitable nodes are known to be too full for such a pod: they do not become emptier."""

    def shortfall(self, way: Sequence[Pod], going: Sequence[Pod]) -> Shortfall | None:
        """Lays out those on their way, then those that go, the largest first; answers for the first without a place.

        Pods on their way that fit nowhere take no room from others.
        """
        first: list[Pod] = []
        found: Shortfall | None = None
        for _ in range(MAX_ORDERS):
            found = self._try(sorted(way, key=_order), _reordered(going, first))
            if found is None or found.pod in first or len(going) == 1:
                return found
            first.insert(0, found.pod)
        return found

    def must_wait(self, way: Sequence[Pod], pod: Pod) -> bool:
        """Returns whether the pod, a patient one, is left no node but its own by its neighbours."""
        with self._trial(sorted(way, key=_order)):
            return not self._put(pod) and self._waits(pod)

    def _try(self, way: Sequence[Pod], going: Sequence[Pod]) -> Shortfall | None:
        with self._trial(way):
            for pod in going:
                if not self._put(pod) and not self._waits(pod):
                    return self._why(pod)
            return None

    @contextmanager
    def _trial(self, way: Sequence[Pod]) -> Iterator[None]:
        """Takes all that leave or are on their way from their nodes, and lays out the latter; all is undone at the end."""
        self._taken.clear()
        self._reached.clear()
        self._cleared.clear()
        pods = (*self._leavers, *way)
        with self._cordoned(pods):
            for pod in pods:
                if pod.node:
                    self._shift(pod, pod.node, -1)
            try:
                for pod in way:
                    self._put(pod)
                yield
            finally:
                while self._moved:
                    self._unshift()

    def _cordoned(self, pods: Iterable[Pod]) -> AbstractContextManager[None]:
        """The leaver is cordoned before any of its pods goes. Only a spread that honours taints minds that."""
        if any(rule.by_taints for pod in pods for rule in pod.apart):
            return self._rest.neighbours.cordoned(self._leaver)
        return nullcontext()

    def _put(self, pod: Pod) -> bool:
        demand, asked = Demand.of(pod, self._volumes), pod.requests
        judge = self._rest.neighbours.check(pod)
        plain = not (judge.constrained or pod.ports or not pod.preempts)
        at = self._reached.get((demand, asked), 0)
        full = True
        while (name := self._suitable(demand, at)) is not None:
            if self._room_on(name).holds(asked, self._rest.nodes[name].allocatable):
                full = False
                if plain or self._takes(pod, name, judge):
                    self._land(pod, name)
                    return True
            at += 1
            if full:
                self._reached[demand, asked] = at
        return False

    def _land(self, pod: Pod, name: str) -> None:
        taken = self._taken.get(name)
        if taken is None:
            taken = self._taken[name] = self._room_on(name).copied()
        taken.take(pod)
        self._shift(pod, name, 1)

    def _takes(self, pod: Pod, name: str, judge: PlacementCheck) -> bool:
        node, taken = self._rest.nodes[name], self._room_on(name)
        standing = [] if name in self._cleared else list(self._rest.placeholders.get(name, {}).values())
        if not standing:
            return taken.fits(pod, node.allocatable) and judge.allows(node)
        beside = taken.copied()
        for each in standing:
            beside.take(each)
        if beside.fits(pod, node.allocatable) and judge.allows(node):
            return True
        if not pod.preempts or not taken.fits(pod, node.allocatable):
            return False
        for each in standing:
            self._shift(each, name, -1)
        if judge.allows(node):
            self._cleared.add(name)
            return True
        for _ in standing:
            self._unshift()
        return False

    def _waits(self, pod: Pod) -> bool:
        """It may wait for its own node: neighbours leave it no other, now or once others are back in service."""
        if pod.uid not in self._patient or not pod.apart:
            return False
        demand = Demand.of(pod, self._volumes)
        sizes = ((self._room_on(name), self._rest.nodes[name].allocatable) for name in self._all(demand))
        if not any(taken.fits(pod, size) for taken, size in sizes):
            return False
        return not self._later(demand, self._rest.neighbours.check(pod))

    def _later(self, demand: Demand, judge: PlacementCheck) -> bool:
        """A node that fleet works on could take it."""
        return any(
            (name in self._rest.leaving or node.cordoned_by)
            and name != self._leaver
            and demand.could_fit(node)
            and judge.allows(node)
            for name, node in self._rest.nodes.items()
        )

    def _why(self, pod: Pod) -> Shortfall:
        demand = Demand.of(pod, self._volumes)
        suitable = self._all(demand)
        if not suitable:
            others = self._all(demand._replace(volumes=())) if demand.volumes else []
            return Shortfall(pod, len(others), volumes=bool(others))
        sizes = [(self._room_on(name), self._rest.nodes[name].allocatable) for name in suitable]
        holding = [(taken, size) for taken, size in sizes if taken.holds(pod.requests, size)]
        if holding:
            ports = not any(taken.ports_free_for(pod) for taken, _ in holding)
            return Shortfall(pod, len(suitable), apart=not ports, ports=ports)
        return Shortfall(
            pod,
            len(suitable),
            max(0, *(size.cpu - taken.cpu for taken, size in sizes)),
            max(0, *(size.memory - taken.memory for taken, size in sizes)),
            max(0, *(size.pods - taken.pods for taken, size in sizes)),
            storage=max(0, *(size.storage - taken.storage for taken, size in sizes)),
            others=tuple(
                (name, max(0, *(taken.left(name, size) for taken, size in sizes)))
                for name, _ in pod.requests.others
            ),
        )

    def _suitable(self, demand: Demand, index: int) -> str | None:
        """The open nodes that suit a demand, one after another, found when they are asked for."""
        known = self._names.get(demand)
        if known is None:
            names = (
                name for name in self._rest.nodes if name != self._leaver and self._is_open(name, demand)
            )
            known = self._names[demand] = ([], names)
        found, more = known
        while index >= len(found):
            name = next(more, None)
            if name is None:
                return None
            found.append(name)
        return found[index]

    def _all(self, demand: Demand) -> list[str]:
        self._suitable(demand, len(self._rest.nodes))
        return self._names[demand][0]

    def _room_on(self, name: str) -> NodeUsage:
        return self._taken.get(name) or self._rest.taken.get(name) or NO_USAGE

    def _unshift(self) -> None:
        pod, name, sign = self._moved.pop()
        self._rest.neighbours.count_pod_on(pod, name, -sign)

    def _shift(self, pod: Pod, name: str, sign: int) -> None:
        self._rest.neighbours.count_pod_on(pod, name, sign)
        self._moved.append((pod, name, sign))


def _reordered(going: Sequence[Pod], first: Sequence[Pod]) -> list[Pod]:
    rest = [pod for pod in going if pod not in first]
    return sorted(first, key=lambda pod: bool(pod.near)) + sorted(rest, key=_order)


def _order(pod: Pod) -> tuple[bool, int, int, int, str]:
    """Those that others want to be near come before those that want to be near somebody."""
    return bool(pod.near), -len(pod.requests.others), -pod.requests.memory, -pod.requests.cpu, pod.uid
