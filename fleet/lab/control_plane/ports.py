"""Finds free TCP ports on the loopback address."""

from __future__ import annotations

import random
import socket

import msgspec

from fleet.lab.errors import LabError

# The ports are below the range from which systems take ports for outgoing connections, so that no connection can take
# one of them.
_FIRST, _LAST = 20000, 32000
_TRIES = 200


class HostPorts(msgspec.Struct, frozen=True):
    """The ports of programs that run on every host of the control plane."""

    etcd: int
    etcd_peer: int
    api_server: int


class Ports(msgspec.Struct, frozen=True):
    """The ports on 127.0.0.1 on which the lab's programs listen."""

    hosts: tuple[HostPorts, ...]
    controller_manager: int
    scheduler: int
    balancer: int


def choose(source: random.Random, hosts: int = 1) -> Ports:
    """Returns ports on which no program listens at this moment. Raises LabError where there are none."""
    wanted = 3 * hosts + 3
    ports: list[int] = []
    for _ in range(_TRIES):
        port = source.randrange(_FIRST, _LAST)
        if port not in ports and _is_free(port):
            ports.append(port)
        if len(ports) == wanted:
            *host_ports, manager, scheduler, balancer = ports
            of_hosts = tuple(
                HostPorts(*host_ports[index : index + 3]) for index in range(0, len(host_ports), 3)
            )
            return Ports(of_hosts, manager, scheduler, balancer)
    raise LabError(f"found no {wanted} free ports between {_FIRST} and {_LAST} on 127.0.0.1")


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
