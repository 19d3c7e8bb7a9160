"""The usage of one node by its pods: resources and host ports.

A pod counts from its binding until the pod is gone or has finished. Source: kube-scheduler, plugins noderesources
(fit.go) and nodeports.
"""

from __future__ import annotations

from collections import Counter
from copy import copy

from fleet.core.objects.node import Resources
from fleet.core.objects.placement import HostPort
from fleet.core.objects.pod import Pod


class NodeUsage:
    """The resources and host ports that the pods of one node use."""

    __slots__ = ("cpu", "memory", "others", "pods", "ports", "storage")

    def __init__(self) -> None:
        self.cpu = self.memory = self.storage = self.pods = 0
        """Millicores, bytes of memory, bytes of ephemeral storage, and number of pods."""
        self.others: dict[str, int] | None = None
        """Other resources, by name; None if no pod of the node requests any."""
        self.ports: Counter[HostPort] | None = None
        """Number of pods by host port; None if no pod of the node uses one."""

    def take(self, pod: Pod, sign: int = 1) -> None:
        """Adds the usage of a pod (`sign` +1), or subtracts the usage of a pod that is gone (-1)."""
        requests = pod.requests
        self.cpu += sign * requests.cpu
        self.memory += sign * requests.memory
        self.storage += sign * requests.storage
        self.pods += sign
        if requests.others:
            others = self.others = self.others if self.others is not None else {}
            for name, amount in requests.others:
                others[name] = others.get(name, 0) + sign * amount
        if pod.ports:
            ports = self.ports = self.ports if self.ports is not None else Counter()
            for port in pod.ports:
                ports[port] += sign
                if not ports[port]:
                    del ports[port]

    def copied(self) -> NodeUsage:
        """Returns a copy that changes independently."""
        other = copy(self)
        other.others = dict(self.others) if self.others is not None else None
        other.ports = Counter(self.ports) if self.ports is not None else None
        return other

    def fits(self, pod: Pod, size: Resources) -> bool:
        """Returns whether a node of this size has room for the pod, and its host ports are free."""
        return self.holds(pod.requests, size) and (not pod.ports or self.ports_free_for(pod))

    def holds(self, requests: Resources, size: Resources) -> bool:
        """Returns whether a node of this size has room for the requests.

        A resource that is not requested does not count: a pod without requests fits on an overcommitted node as well.
        """
        return (
            self.pods < size.pods
            and (not requests.cpu or self.cpu + requests.cpu <= size.cpu)
            and (not requests.memory or self.memory + requests.memory <= size.memory)
            and (not requests.storage or self.storage + requests.storage <= size.storage)
            and (not requests.others or self._holds_others(requests, size))
        )

    def ports_free_for(self, pod: Pod) -> bool:
        """Returns whether no pod of the node uses one of the pod's host ports."""
        used = self.ports or ()
        return not any(port.collides(other) for port in pod.ports for other in used)

    def left(self, name: str, size: Resources) -> int:
        """Returns how much of the resource `name`, one of `others`, is free on a node of this size."""
        allocatable = next((amount for resource, amount in size.others if resource == name), 0)
        return allocatable - (self.others or {}).get(name, 0)

    def _holds_others(self, requests: Resources, size: Resources) -> bool:
        return all(self.left(name, size) >= amount for name, amount in requests.others)


NO_USAGE = NodeUsage()
"""The usage of a node without pods. The object is shared and never changed."""
