"""The requests of a pod to its node: resources, as the scheduler reserves them, and host ports.

Source: kubernetes, component-helpers/resource/helpers.go; kube-scheduler, framework/types.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from sys import intern

from fleet.core.objects.node import Resources
from fleet.core.objects.placement import ALL_ADDRESSES, HostPort
from fleet.kube.kinds.pods.pod_wire import Container, PodSpec
from fleet.kube.kinds.quantity import milli, whole
from fleet.kube.objects.wire import Quantities

CPU, MEMORY, STORAGE, PODS = "cpu", "memory", "ephemeral-storage", "pods"
PLAIN = frozenset({CPU, MEMORY})
NAMED = frozenset({CPU, MEMORY, STORAGE, PODS})
"""Resources that have a field of their own; all others are kept by name."""

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


def requests(spec: PodSpec) -> Resources:
    """Returns the resources that the scheduler reserves for the pod. Raises ValueError with the resource's name."""
    cpu, memory = _requested(spec, milli, CPU), _requested(spec, whole, MEMORY)
    if (names := _names(spec)) <= PLAIN:
        return Resources(cpu, memory, 1)
    return Resources(
        cpu,
        memory,
        1,
        _requested(spec, whole, STORAGE),
        _without_zeros((name, _requested(spec, whole, name)) for name in sorted(names - NAMED)),
    )


def host_ports(spec: PodSpec) -> tuple[HostPort, ...]:
    """Returns the host ports of all containers that run at the same time, including sidecars."""
    found: dict[HostPort, None] = {}
    sidecars = (container for container in spec.init_containers or () if container.restart_policy == "Always")
    for container in (*(spec.containers or ()), *sidecars):
        for port in container.ports or ():
            if port.host_port > 0:
                address = intern(port.host_ip or ALL_ADDRESSES)
                found[HostPort(port.host_port, intern(port.protocol or "TCP"), address)] = None
    return tuple(found)


def _names(spec: PodSpec) -> set[str]:
    """Returns every resource that a container of the pod requests."""
    names: set[str] = set()
    for container in (*(spec.containers or ()), *(spec.init_containers or ())):
        names.update(container.resources.requests or (), container.resources.limits or ())
    if spec.resources is not None:
        names.update(spec.resources.requests or ())
    names.update(spec.overhead or ())
    return names


def _requested(spec: PodSpec, scale: Scale, name: str) -> int:
    own = spec.resources.requests if spec.resources is not None else None
    amount = _read(scale, own, name) if own and name in own else _peak(spec, scale, name)
    return amount + (_read(scale, spec.overhead, name) if spec.overhead else 0)


def _peak(spec: PodSpec, scale: Scale, name: str) -> int:
    """Returns the larger of the sum over all containers and the highest need while an init container runs.

    An init container that restarts always (a sidecar) runs beside all containers that come after it.
    """
    beside = peak = 0
    for container in spec.init_containers or ():
        amount = _container_request(container, scale, name)
        peak = max(peak, beside + amount)
        if container.restart_policy == "Always":
            beside += amount
    for container in spec.containers or ():
        beside += _container_request(container, scale, name)
    return max(peak, beside)


def _container_request(container: Container, scale: Scale, name: str) -> int:
    """Returns the request of one container. A resource with a limit only is requested as well: the API server defaults
    it so."""
    requests = container.resources.requests
    if requests and name in requests:
        return _read(scale, requests, name)
    limits = container.resources.limits
    return _read(scale, limits, name) if limits else 0


def _read(scale: Scale, found: Quantities, name: str) -> int:
    """Returns the quantity of one resource; 0 where it is not given. Raises ValueError with the name."""
    try:
        return scale(found.get(name, 0))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _without_zeros(found: Iterator[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple((intern(name), amount) for name, amount in found if amount)
