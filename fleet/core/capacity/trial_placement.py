"""Places pods on the nodes one by one: which of them find a place, and what the first one without a place lacks.

This is a trial: the topology counts are changed while it lasts, and are as before when it is over.
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
"""Orders in which the pods are placed at most; each begins with the pods that found no place in the order before."""


class Shortfall(Struct, frozen=True):
    """The pod that finds no place, and why. Amounts are in millicores and bytes."""

    pod: Pod
    suitable: int
    """How many other open nodes its node selector, affinity, volumes and tolerations allow."""
    cpu: int = 0
    """The most millicores that one of these nodes has free once the pods to be rescheduled have landed."""
    memory: int = 0
    """The same in bytes."""
    places: int = 0
    """The same in pods."""
    apart: bool = False
    """There is capacity; affinity rules of the pod, or those of other pods, leave it no node."""
    storage: int = 0
    """Ephemeral storage: the same in bytes."""
    others: tuple[tuple[str, int], ...] = ()
    """The same for the other resources that the pod asks for, by name."""
    ports: bool = False
    """There is capacity; the pod's host ports are taken on every node that has some."""
    volumes: bool = False
    """Nodes would fit, and the pod's persistent volumes can be used on none of them."""


class TrialBase(NamedTuple):
    """The cluster as it is before the pods are placed."""

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
        may_wait: Collection[str],
    ) -> None:
        """`leavers`: all pods that the drain of the node `leaver` takes away, also those that are not placed anew.

        `may_wait`: uids of pods that may wait for their own node.
        """
        self._rest = rest
        self._leaver = leaver
        self._leavers = leavers
        self._is_open = is_open
        self._volumes = volumes
        self._may_wait = may_wait
        self._names: dict[Demand, tuple[list[str], Iterator[str]]] = {}
        """By demand: the nodes that fit, found so far, and the search for more."""
        self._usage: dict[str, NodeUsage] = {}
        """By node on which pods have been placed."""
        self._cleared: set[str] = set()
        """Nodes whose placeholders have been preempted."""
        self._changes: list[tuple[Pod, str, int]] = []
        """What the trial has changed in the topology counts."""
        self._reached: dict[tuple[Demand, Resources], int] = {}
        """How many of the fitting nodes, from the first on, are known to be too full for such a pod: nodes only fill up."""

    def shortfall(self, way: Sequence[Pod], going: Sequence[Pod]) -> Shortfall | None:
        """Places the pods to be rescheduled (`way`), then those of the drained node (`going`), the largest first.

        Returns what the first of `going` without a place lacks, or None. Pods of `way` that fit nowhere take no capacity
        from others.
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
        """Returns whether affinity rules leave a pod that may wait no node but its own."""
        with self._trial(sorted(way, key=_order)):
            return not self._place(pod) and self._waits_for_own_node(pod)

    def _try(self, way: Sequence[Pod], going: Sequence[Pod]) -> Shortfall | None:
        with self._trial(way):
            for pod in going:
                if not self._place(pod) and not self._waits_for_own_node(pod):
                    return self._shortfall_of(pod)
            return None

    @contextmanager
    def _trial(self, way: Sequence[Pod]) -> Iterator[None]:
        """Takes all pods that leave from their nodes and places those of `way`; all is undone at the end."""
        self._usage.clear()
        self._reached.clear()
        self._cleared.clear()
        pods = (*self._leavers, *way)
        with self._cordoned(pods):
            for pod in pods:
                if pod.node:
                    self._count(pod, pod.node, -1)
            try:
                for pod in way:
                    self._place(pod)
                yield
            finally:
                while self._changes:
                    self._undo_count()

    def _cordoned(self, pods: Iterable[Pod]) -> AbstractContextManager[None]:
        """Counts the leaver as cordoned, which it is before any of its pods goes; only a spread that honours taints minds
        that."""
        if any(rule.by_taints for pod in pods for rule in pod.apart):
            return self._rest.neighbours.cordoned(self._leaver)
        return nullcontext()

    def _place(self, pod: Pod) -> bool:
        demand, asked = Demand.of(pod, self._volumes), pod.requests
        check = self._rest.neighbours.check(pod)
        plain = not (check.constrained or pod.ports or not pod.preempts)
        at = self._reached.get((demand, asked), 0)
        full = True
        while (name := self._fitting(demand, at)) is not None:
            if self._usage_on(name).holds(asked, self._rest.nodes[name].allocatable):
                full = False
                if plain or self._accepts(pod, name, check):
                    self._land(pod, name)
                    return True
            at += 1
            if full:
                self._reached[demand, asked] = at
        return False

    def _land(self, pod: Pod, name: str) -> None:
        taken = self._usage.get(name)
        if taken is None:
            taken = self._usage[name] = self._usage_on(name).copied()
        taken.take(pod)
        self._count(pod, name, 1)

    def _accepts(self, pod: Pod, name: str, check: PlacementCheck) -> bool:
        node, taken = self._rest.nodes[name], self._usage_on(name)
        standing = [] if name in self._cleared else list(self._rest.placeholders.get(name, {}).values())
        if not standing:
            return taken.fits(pod, node.allocatable) and check.allows(node)
        beside = taken.copied()
        for each in standing:
            beside.take(each)
        if beside.fits(pod, node.allocatable) and check.allows(node):
            return True
        if not pod.preempts or not taken.fits(pod, node.allocatable):
            return False
        for each in standing:
            self._count(each, name, -1)
        if check.allows(node):
            self._cleared.add(name)
            return True
        for _ in standing:
            self._undo_count()
        return False

    def _waits_for_own_node(self, pod: Pod) -> bool:
        """Returns whether the pod may wait for its own node, and has no other: now, and once others are back in service."""
        if pod.uid not in self._may_wait or not pod.apart:
            return False
        demand = Demand.of(pod, self._volumes)
        sizes = ((self._usage_on(name), self._rest.nodes[name].allocatable) for name in self._all(demand))
        if not any(taken.fits(pod, size) for taken, size in sizes):
            return False
        return not self._could_fit_later(demand, self._rest.neighbours.check(pod))

    def _could_fit_later(self, demand: Demand, check: PlacementCheck) -> bool:
        """Returns whether a node that fleet works on could take the pod later."""
        return any(
            (name in self._rest.leaving or node.cordoned_by)
            and name != self._leaver
            and demand.could_fit(node)
            and check.allows(node)
            for name, node in self._rest.nodes.items()
        )

    def _shortfall_of(self, pod: Pod) -> Shortfall:
        demand = Demand.of(pod, self._volumes)
        fitting = self._all(demand)
        if not fitting:
            others = self._all(demand._replace(volumes=())) if demand.volumes else []
            return Shortfall(pod, len(others), volumes=bool(others))
        sizes = [(self._usage_on(name), self._rest.nodes[name].allocatable) for name in fitting]
        holding = [(taken, size) for taken, size in sizes if taken.holds(pod.requests, size)]
        if holding:
            ports = not any(taken.ports_free_for(pod) for taken, _ in holding)
            return Shortfall(pod, len(fitting), apart=not ports, ports=ports)
        return Shortfall(
            pod,
            len(fitting),
            max(0, *(size.cpu - taken.cpu for taken, size in sizes)),
            max(0, *(size.memory - taken.memory for taken, size in sizes)),
            max(0, *(size.pods - taken.pods for taken, size in sizes)),
            storage=max(0, *(size.storage - taken.storage for taken, size in sizes)),
            others=tuple(
                (name, max(0, *(taken.left(name, size) for taken, size in sizes)))
                for name, _ in pod.requests.others
            ),
        )

    def _fitting(self, demand: Demand, index: int) -> str | None:
        """Returns the open node at this index that fits the demand, or None. Nodes are searched as far as needed."""
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
        self._fitting(demand, len(self._rest.nodes))
        return self._names[demand][0]

    def _usage_on(self, name: str) -> NodeUsage:
        return self._usage.get(name) or self._rest.taken.get(name) or NO_USAGE

    def _undo_count(self) -> None:
        pod, name, sign = self._changes.pop()
        self._rest.neighbours.count_pod_on(pod, name, -sign)

    def _count(self, pod: Pod, name: str, sign: int) -> None:
        self._rest.neighbours.count_pod_on(pod, name, sign)
        self._changes.append((pod, name, sign))


def _reordered(going: Sequence[Pod], first: Sequence[Pod]) -> list[Pod]:
    rest = [pod for pod in going if pod not in first]
    return sorted(first, key=lambda pod: bool(pod.near)) + sorted(rest, key=_order)


def _order(pod: Pod) -> tuple[bool, int, int, int, str]:
    """Sorts pods that others want to be near before those that want to be near somebody, then the largest first."""
    return bool(pod.near), -len(pod.requests.others), -pod.requests.memory, -pod.requests.cpu, pod.uid
