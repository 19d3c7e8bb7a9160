"""Free TCP ports on the loopback address."""

from __future__ import annotations

import random
import socket

import msgspec

from fleet.lab.errors import LabError

# Below the range from which systems take ports for outgoing connections, so that none of those gets in between.
_FIRST, _LAST = 20000, 32000
_TRIES = 200


class Ports(msgspec.Struct, frozen=True):
    """Where the lab's programs listen on 127.0.0.1."""

    etcd: int
    etcd_peer: int
    api_server: int
    controller_manager: int
    scheduler: int


def choose(source: random.Random) -> Ports:
    """Five ports that nobody listens on at this moment. Raises LabError when there are none."""
    found: set[int] = set()
    for _ in range(_TRIES):
        port = source.randrange(_FIRST, _LAST)
        if port not in found and _is_free(port):
            found.add(port)
        if len(found) == 5:
            return Ports(*found)
    raise LabError(f"found no five free ports between {_FIRST} and {_LAST} on 127.0.0.1")


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
