"""Places pods on the nodes one by one, to find the first pod without a place and what that pod lacks.

The placement is a trial: the topology counts change during the trial, and are restored at its end.
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
"""Maximum number of orders in which the pods are placed; each begins with the pods that found no place in earlier
orders."""


class Shortfall(Struct, frozen=True):
    """A pod that finds no place, and why."""

    pod: Pod
    suitable: int
    """Number of other open nodes that the pod's node selector, affinity, volumes and tolerations allow."""
    cpu: int = 0
    """Millicores: the most that one of these nodes has free after the pods to be rescheduled are placed."""
    memory: int = 0
    """Bytes of memory: the most that one of these nodes has free then."""
    places: int = 0
    """Number of pods: the most that one of these nodes can still take then."""
    apart: bool = False
    """True if there is capacity, but affinity rules of the pod or of other pods leave no node for the pod."""
    storage: int = 0
    """Bytes of ephemeral storage: the most that one of these nodes has free then."""
    others: tuple[tuple[str, int], ...] = ()
    """The other resources that the pod requests, by name: the most of each that one of these nodes has free then."""
    ports: bool = False
    """True if there is capacity, but the pod's host ports are taken on every node with capacity."""
    volumes: bool = False
    """True if nodes fit otherwise, but the pod's persistent volumes can be used on none of them."""


class TrialBase(NamedTuple):
    """The state of the cluster before the pods are placed: nodes, their usage, placeholders, drains, topology
    counts."""

    nodes: Mapping[str, Node]
    usage: Mapping[str, NodeUsage]
    placeholders: Mapping[str, Mapping[str, Pod]]
    leaving: Mapping[str, Mapping[str, Pod]]
    topology: TopologyCounts


class TrialPlacement:
    """Trials for the drain of one node, on one state of the cluster."""

    def __init__(
        self,
        base: TrialBase,
        drained: str,
        drained_pods: Sequence[Pod],
        is_open: Callable[[str, Demand], bool],
        volumes: ClusterVolumes,
        may_wait: Collection[str],
    ) -> None:
        """Prepares trials for the drain of the node `drained`.

        `drained_pods`: all pods that this drain removes, including those that are not placed again.
        `may_wait`: uids of pods that may wait for their own node.
        """
        self._base = base
        self._drained = drained
        self._drained_pods = drained_pods
        self._is_open = is_open
        self._volumes = volumes
        self._may_wait = may_wait
        self._names: dict[Demand, tuple[list[str], Iterator[str]]] = {}
        """The fitting nodes found so far, and an iterator that searches for more; by demand."""
        self._usage: dict[str, NodeUsage] = {}
        """Usage by node, of the nodes on which pods have been placed."""
        self._cleared: set[str] = set()
        """Nodes whose placeholders have been preempted."""
        self._changes: list[tuple[Pod, str, int]] = []
        """The changes of the topology counts by the trial: pod, node and sign."""
        self._first_free: dict[tuple[Demand, Resources], int] = {}
        """How many of the fitting nodes, from the first on, are too full for such a pod. During a trial nodes only fill
        up."""

    def shortfall(self, rescheduled: Sequence[Pod], going: Sequence[Pod]) -> Shortfall | None:
        """Places the pods of `rescheduled`, then those of the drained node (`going`), the largest first.

        Returns what the first pod of `going` without a place lacks; None if all have a place. Pods of `rescheduled` that fit
        nowhere take no capacity from other pods.
        """
        first: list[Pod] = []
        lacking: Shortfall | None = None
        for _ in range(MAX_ORDERS):
            lacking = self._try(sorted(rescheduled, key=_order), _reordered(going, first))
            if lacking is None or lacking.pod in first or len(going) == 1:
                return lacking
            first.insert(0, lacking.pod)
        return lacking

    def must_wait(self, rescheduled: Sequence[Pod], pod: Pod) -> bool:
        """Returns whether affinity rules leave the pod, if the pod may wait, no other node than its own."""
        with self._trial(sorted(rescheduled, key=_order)):
            return not self._place(pod) and self._waits_for_own_node(pod)

    def _try(self, rescheduled: Sequence[Pod], going: Sequence[Pod]) -> Shortfall | None:
        """Returns the shortfall if the pods are placed in this order; None if all of `going` have a place or may
        wait."""
        with self._trial(rescheduled):
            for pod in going:
                if not self._place(pod) and not self._waits_for_own_node(pod):
                    return self._shortfall_of(pod)
            return None

    @contextmanager
    def _trial(self, rescheduled: Sequence[Pod]) -> Iterator[None]:
        """Removes all leaving pods from their nodes and places those of `rescheduled`; undoes all changes at the end."""
        self._usage.clear()
        self._first_free.clear()
        self._cleared.clear()
        pods = (*self._drained_pods, *rescheduled)
        with self._cordoned(pods):
            for pod in pods:
                if pod.node:
                    self._count(pod, pod.node, -1)
            try:
                for pod in rescheduled:
                    self._place(pod)
                yield
            finally:
                while self._changes:
                    self._undo_count()

    def _cordoned(self, pods: Iterable[Pod]) -> AbstractContextManager[None]:
        """Counts the drained node as cordoned, since a node is cordoned before any of its pods leaves. This makes a
        difference only to a spread that honours taints."""
        if any(rule.by_taints for pod in pods for rule in pod.apart):
            return self._base.topology.cordoned(self._drained)
        return nullcontext()

    def _place(self, pod: Pod) -> bool:
        """Places the pod on the first node that accepts the pod; returns whether there is one."""
        demand, requests = Demand.of(pod, self._volumes), pod.requests
        check = self._base.topology.check(pod)
        plain = not (check.constrained or pod.ports or not pod.preempts)
        index = self._first_free.get((demand, requests), 0)
        full = True
        while (name := self._node_at(demand, index)) is not None:
            if self._usage_on(name).holds(requests, self._base.nodes[name].allocatable):
                full = False
                if plain or self._accepts(pod, name, check):
                    self._count_on(pod, name)
                    return True
            index += 1
            if full:
                self._first_free[demand, requests] = index
        return False

    def _count_on(self, pod: Pod, name: str) -> None:
        """Counts the pod on the node."""
        usage = self._usage.get(name)
        if usage is None:
            usage = self._usage[name] = self._usage_on(name).copied()
        usage.take(pod)
        self._count(pod, name, 1)

    def _accepts(self, pod: Pod, name: str, check: PlacementCheck) -> bool:
        """Returns whether the node takes the pod. If the pod has to preempt the node's placeholders, they are
        removed."""
        node, usage = self._base.nodes[name], self._usage_on(name)
        placeholders = [] if name in self._cleared else list(self._base.placeholders.get(name, {}).values())
        if not placeholders:
            return usage.fits(pod, node.allocatable) and check.allows(node)
        with_placeholders = usage.copied()
        for placeholder in placeholders:
            with_placeholders.take(placeholder)
        if with_placeholders.fits(pod, node.allocatable) and check.allows(node):
            return True
        if not pod.preempts or not usage.fits(pod, node.allocatable):
            return False
        for placeholder in placeholders:
            self._count(placeholder, name, -1)
        if check.allows(node):
            self._cleared.add(name)
            return True
        for _ in placeholders:
            self._undo_count()
        return False

    def _waits_for_own_node(self, pod: Pod) -> bool:
        """Returns whether the pod may wait for its own node and has no other, neither now nor once others are back in
        service."""
        if pod.uid not in self._may_wait or not pod.apart:
            return False
        demand = Demand.of(pod, self._volumes)
        sizes = ((self._usage_on(name), self._base.nodes[name].allocatable) for name in self._all(demand))
        if not any(usage.fits(pod, size) for usage, size in sizes):
            return False
        return not self._could_fit_later(demand, self._base.topology.check(pod))

    def _could_fit_later(self, demand: Demand, check: PlacementCheck) -> bool:
        """Returns whether a node that fleet works on could take the pod later."""
        return any(
            (name in self._base.leaving or node.cordoned_by)
            and name != self._drained
            and demand.could_fit(node)
            and check.allows(node)
            for name, node in self._base.nodes.items()
        )

    def _shortfall_of(self, pod: Pod) -> Shortfall:
        """Returns what the pod lacks on the nodes as the trial has filled them."""
        demand = Demand.of(pod, self._volumes)
        fitting = self._all(demand)
        if not fitting:
            without_volumes = self._all(demand._replace(volumes=())) if demand.volumes else []
            return Shortfall(pod, len(without_volumes), volumes=bool(without_volumes))
        sizes = [(self._usage_on(name), self._base.nodes[name].allocatable) for name in fitting]
        holding = [(usage, size) for usage, size in sizes if usage.holds(pod.requests, size)]
        if holding:
            ports = not any(usage.ports_free_for(pod) for usage, _ in holding)
            return Shortfall(pod, len(fitting), apart=not ports, ports=ports)
        return Shortfall(
            pod,
            len(fitting),
            max(0, *(size.cpu - usage.cpu for usage, size in sizes)),
            max(0, *(size.memory - usage.memory for usage, size in sizes)),
            max(0, *(size.pods - usage.pods for usage, size in sizes)),
            storage=max(0, *(size.storage - usage.storage for usage, size in sizes)),
            others=tuple(
                (name, max(0, *(usage.left(name, size) for usage, size in sizes)))
                for name, _ in pod.requests.others
            ),
        )

    def _node_at(self, demand: Demand, index: int) -> str | None:
        """Returns the open node at this index among those that fit the demand; None if there are fewer. Searches only
        as far as needed."""
        search = self._names.get(demand)
        if search is None:
            names = (
                name for name in self._base.nodes if name != self._drained and self._is_open(name, demand)
            )
            search = self._names[demand] = ([], names)
        names_found, remaining = search
        while index >= len(names_found):
            name = next(remaining, None)
            if name is None:
                return None
            names_found.append(name)
        return names_found[index]

    def _all(self, demand: Demand) -> list[str]:
        """Returns all open nodes that fit the demand."""
        self._node_at(demand, len(self._base.nodes))
        return self._names[demand][0]

    def _usage_on(self, name: str) -> NodeUsage:
        """Returns the usage of the node, as the trial has changed it."""
        return self._usage.get(name) or self._base.usage.get(name) or NO_USAGE

    def _undo_count(self) -> None:
        """Reverts the last change of the topology counts."""
        pod, name, sign = self._changes.pop()
        self._base.topology.count_pod_on(pod, name, -sign)

    def _count(self, pod: Pod, name: str, sign: int) -> None:
        """Changes the topology counts, and records the change so that it can be undone."""
        self._base.topology.count_pod_on(pod, name, sign)
        self._changes.append((pod, name, sign))


def _reordered(going: Sequence[Pod], first: Sequence[Pod]) -> list[Pod]:
    """Returns the pods of `first`, those without pod affinity before those with, then the others of `going` by
    `_order`."""
    others = [pod for pod in going if pod not in first]
    return sorted(first, key=lambda pod: bool(pod.near)) + sorted(others, key=_order)


def _order(pod: Pod) -> tuple[bool, int, int, int, str]:
    """Returns a sort key: pods without pod affinity come before pods with pod affinity, then the largest pods come
    first."""
    return bool(pod.near), -len(pod.requests.others), -pod.requests.memory, -pod.requests.cpu, pod.uid
