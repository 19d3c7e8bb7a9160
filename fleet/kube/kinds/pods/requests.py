"""The requests of a pod to its node: resources, as the scheduler reserves them, and host ports.

Source: kubernetes, component-helpers/resource/helpers.go; kube-scheduler, framework/types.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from sys import intern
from typing import NamedTuple

from msgspec import json

from fleet.core.objects.node import Resources
from fleet.core.objects.placement import ALL_ADDRESSES, HostPort
from fleet.kube.kinds.pods.pod_wire import PodSpec, Ports, Requested
from fleet.kube.kinds.quantity import milli, whole
from fleet.kube.objects.wire import Quantities

CPU, MEMORY, STORAGE, PODS = "cpu", "memory", "ephemeral-storage", "pods"
PLAIN = frozenset({CPU, MEMORY})
NAMED = frozenset({CPU, MEMORY, STORAGE, PODS})
"""Resources that have a field of their own; all others are kept by name."""

ALWAYS = "Always"
"""The restart policy of an init container that is a sidecar."""
MOST_KEPT = 10_000
Scale = Callable[[str | int | float], int]


def resources(found: Quantities | None) -> Resources:
    """Returns the resources that a node offers. Raises ValueError with the resource's name."""
    if not found:
        return Resources()
    return Resources(
        _read(milli, found, CPU),
        _read(whole, found, MEMORY),
        _read(whole, found, PODS),
        _read(whole, found, STORAGE),
        _without_zeros((name, _read(whole, found, name)) for name in sorted(found.keys() - NAMED)),
    )


class ContainerRequests(NamedTuple):
    """The resources that one container requests."""

    requests: Quantities
    limits: Quantities
    sidecar: bool
    """True for an init container that restarts always."""


class PodRequests(NamedTuple):
    """The resources that a pod requests."""

    containers: tuple[ContainerRequests, ...]
    init_containers: tuple[ContainerRequests, ...]
    own: Quantities
    """The requests of the pod as a whole, which count instead of those of its containers."""
    overhead: Quantities


def requests(spec: PodSpec) -> Resources:
    """Returns the resources that the scheduler reserves for the pod, found once for all pods with the same text. Raises
    ValueError with the resource's name, msgspec.ValidationError for JSON of another type."""
    return _requests(
        tuple([bytes(container.resources) for container in spec.containers or ()]),
        tuple(
            [
                (bytes(container.resources), container.restart_policy == ALWAYS)
                for container in spec.init_containers
            ]
        )
        if spec.init_containers
        else (),
        bytes(spec.resources),
        bytes(spec.overhead),
    )


@lru_cache(MOST_KEPT)
def _requests(
    containers: tuple[bytes, ...], inits: tuple[tuple[bytes, bool], ...], own: bytes, overhead: bytes
) -> Resources:
    own_amounts: Requested = json.decode(own, type=Requested)
    pod = PodRequests(
        tuple(_container(text, sidecar=False) for text in containers),
        tuple(_container(text, sidecar) for text, sidecar in inits),
        (own_amounts.requests if own_amounts is not None else None) or {},
        json.decode(overhead, type=Quantities | None) or {},
    )
    cpu, memory = _requested(pod, milli, CPU), _requested(pod, whole, MEMORY)
    if (names := _names(pod)) <= PLAIN:
        return Resources(cpu, memory, 1)
    return Resources(
        cpu,
        memory,
        1,
        _requested(pod, whole, STORAGE),
        _without_zeros((name, _requested(pod, whole, name)) for name in sorted(names - NAMED)),
    )


def _container(text: bytes, sidecar: bool) -> ContainerRequests:
    found: Requested = json.decode(text, type=Requested)
    if found is None:
        return ContainerRequests({}, {}, sidecar)
    return ContainerRequests(found.requests or {}, found.limits or {}, sidecar)


def host_ports(spec: PodSpec) -> tuple[HostPort, ...]:
    """Returns the host ports of all containers that run at the same time, including sidecars, found once for all pods
    with the same text. Raises msgspec.ValidationError for JSON that is no list of ports."""
    texts = [bytes(container.ports) for container in spec.containers or ()]
    if spec.init_containers:
        sidecars = (container for container in spec.init_containers if container.restart_policy == ALWAYS)
        texts += [bytes(container.ports) for container in sidecars]
    return _host_ports(tuple(texts))


@lru_cache(MOST_KEPT)
def _host_ports(texts: tuple[bytes, ...]) -> tuple[HostPort, ...]:
    found: dict[HostPort, None] = {}
    for text in texts:
        ports: Ports = json.decode(text, type=Ports)
        for port in ports or ():
            if port.host_port > 0:
                address = intern(port.host_ip or ALL_ADDRESSES)
                found[HostPort(port.host_port, intern(port.protocol or "TCP"), address)] = None
    return tuple(found)


def _names(pod: PodRequests) -> set[str]:
    """Returns every resource that a container of the pod requests."""
    names = {*pod.own, *pod.overhead}
    for container in (*pod.containers, *pod.init_containers):
        names.update(container.requests, container.limits)
    return names


def _requested(pod: PodRequests, scale: Scale, name: str) -> int:
    amount = _read(scale, pod.own, name) if name in pod.own else _peak(pod, scale, name)
    return amount + _read(scale, pod.overhead, name)


def _peak(pod: PodRequests, scale: Scale, name: str) -> int:
    """Returns the larger of the sum over all containers and the highest need while an init container runs.

    A sidecar runs beside all containers that come after it.
    """
    beside = peak = 0
    for container in pod.init_containers:
        amount = _container_request(container, scale, name)
        peak = max(peak, beside + amount)
        if container.sidecar:
            beside += amount
    for container in pod.containers:
        beside += _container_request(container, scale, name)
    return max(peak, beside)


def _container_request(container: ContainerRequests, scale: Scale, name: str) -> int:
    """Returns the request of one container. A resource with a limit only is requested as well: the API server defaults
    it so."""
    return _read(scale, container.requests if name in container.requests else container.limits, name)


def _read(scale: Scale, found: Quantities, name: str) -> int:
    """Returns the quantity of one resource; 0 where it is not given. Raises ValueError with the name."""
    try:
        return scale(found.get(name, 0))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _without_zeros(found: Iterator[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple((intern(name), amount) for name, amount in found if amount)
