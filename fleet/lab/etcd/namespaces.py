"""A wide-area network between etcd members in network namespaces. Needs root and /dev/net/tun.

Each namespace, and the one of this process, has a TUN device; packets that are sent there are read here one by one,
and delivered half a round trip later. Packets on a cut link are lost, as in a real network: TCP retransmits, and gives
up. The namespaces have no names, and end with their processes.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import select
import struct
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from fleet.lab.errors import LabError
from fleet.lab.etcd.wan import Relay

TUN = Path("/dev/net/tun")
PORT = 2380
"""The port of peers, in every namespace."""
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 1, 0x1000
_CLONE_NEWNET = 0x40000000
_PACKET_BYTES = 65536
_POLL_SECONDS = 0.2
"""The longest time in seconds after which the thread checks whether it must end."""


def possible() -> bool:
    return os.geteuid() == 0 and TUN.exists()


def places(names: Sequence[str], net: int) -> dict[str, Relay]:
    """Returns the address of each member, in 10.99.`net`.0/24. There are no relays in front of the members."""
    return {name: Relay(name, f"10.99.{net}.{index + 1}", PORT, PORT) for index, name in enumerate(names)}


class Namespaces:
    """A network with the interface of `Wan`. The last address of the net is that of this process, which has no delay
    to any member."""

    def __init__(
        self, places: Mapping[str, Relay], sites: Mapping[str, str], seconds: Mapping[frozenset[str], float]
    ) -> None:
        """Makes the network. `sites` has the site of each member. `seconds` has round trips by pairs of sites; within
        a site, and for a pair that is missing, there is no delay."""
        self._places = dict(places)
        self._sites = dict(sites)
        self._seconds = dict(seconds)
        self._cut: frozenset[frozenset[str]] = frozenset()
        self._namespaces: dict[str, int] = {}
        self._devices: dict[int, str] = {}
        """The member of each TUN device, by file descriptor; empty: this process."""
        self._ends: dict[bytes, tuple[int, str]] = {}
        """The file descriptor and the member of each address."""
        self._ready = threading.Event()
        self._over = threading.Event()
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="wan", daemon=True)

    def start(self) -> None:
        """Starts the network. Raises LabError where the system does not permit this."""
        self._thread.start()
        self._ready.wait()
        if self._broken is not None:
            raise LabError(f"no network namespaces: {self._broken}") from self._broken

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        for descriptor in (*self._devices, *self._namespaces.values()):
            os.close(descriptor)

    def cut(self, one: str, other: str) -> None:
        """Cuts the network between two members or two sites."""
        self._cut |= {frozenset((one, other))}

    def heal(self) -> None:
        """Restores all cut links."""
        self._cut = frozenset()

    def before(self, name: str) -> Sequence[str]:
        """Returns the arguments in front of the command of a program that is to run in the member's namespace."""
        return "nsenter", f"--net=/proc/{os.getpid()}/fd/{self._namespaces[name]}"

    def _run(self) -> None:
        """Delivers packets, in a thread of its own, since a namespace belongs to a thread."""
        try:
            self._make()
        except (OSError, subprocess.CalledProcessError) as error:
            self._broken = error
            return
        finally:
            self._ready.set()
        self._deliver()

    def _make(self) -> None:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            first = next(iter(self._places.values())).address
            self._add("", f"{first.rpartition('.')[0]}.254")
            for name, place in self._places.items():
                _call("unshare", _CLONE_NEWNET)
                self._namespaces[name] = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
                self._add(name, place.address)
                _call("setns", home, _CLONE_NEWNET)
        finally:
            os.close(home)

    def _add(self, name: str, address: str) -> None:
        """Adds a device in the namespace of this thread."""
        descriptor = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
        self._devices[descriptor] = name
        request = struct.pack("16sH22x", b"fleet%d" if not name else b"wan0", _IFF_TUN | _IFF_NO_PI)
        reply = fcntl.ioctl(descriptor, _TUNSETIFF, request)
        device = reply[:16].rstrip(b"\0").decode()
        for command in (
            ("link", "set", "lo", "up"),
            ("address", "add", f"{address}/24", "dev", device),
            ("link", "set", device, "mtu", "9000", "txqueuelen", "10000", "up"),
        ):
            subprocess.run(["ip", *command], check=True, capture_output=True)
        self._ends[bytes(map(int, address.split(".")))] = (descriptor, name)

    def _deliver(self) -> None:
        """Delivers packets in the order of their arrival, which is the order of sending for each pair of members."""
        in_transit: list[tuple[float, int, int, bytes]] = []
        count = 0
        while not self._over.is_set():
            wait = _POLL_SECONDS
            if in_transit:
                wait = min(wait, max(0.0, in_transit[0][0] - time.monotonic()))
            readable, _, _ = select.select(list(self._devices), [], [], wait)
            for descriptor in readable:
                for packet in _packets(descriptor):
                    if (route := self._route(self._devices[descriptor], packet)) is not None:
                        seconds, to = route
                        count += 1
                        heapq.heappush(in_transit, (time.monotonic() + seconds, count, to, packet))
            while in_transit and in_transit[0][0] <= time.monotonic():
                _, _, to, packet = heapq.heappop(in_transit)
                # A device whose queue is full drops packets, as a router does.
                with suppress(OSError):
                    os.write(to, packet)

    def _route(self, sender: str, packet: bytes) -> tuple[float, int] | None:
        """Returns how many seconds the packet takes, and the device to which it goes. None: the packet is lost."""
        end = self._ends.get(packet[16:20]) if packet[0] >> 4 == 4 else None
        if end is None:
            return None
        descriptor, name = end
        sites = frozenset((self._sites.get(sender, ""), self._sites.get(name, "")))
        if {frozenset((sender, name)), sites} & self._cut:
            return None
        return self._seconds.get(sites, 0.0) / 2, descriptor


def _packets(descriptor: int) -> list[bytes]:
    """Returns the packets that wait, up to a limit."""
    packets: list[bytes] = []
    with suppress(BlockingIOError):
        while len(packets) < 64:
            packets.append(os.read(descriptor, _PACKET_BYTES))
    return packets


def _call(name: str, *numbers: int) -> None:
    """Calls a function of the C library on this thread: Python has `os.setns` only from 3.12 on. Raises OSError."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*numbers):
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
