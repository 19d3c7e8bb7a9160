"""The network between the machines and this computer: one bridge with its own subnet for each set of machines."""

from __future__ import annotations

from pathlib import Path

import msgspec

from fleet.lab.errors import LabError
from fleet.lab.machines.computer.command import run

_NUMBERS = range(1, 200)
_FIRST_HOST = 11
_NOBODY = "02:00:00:00:00:00"
_NAME_MOST = 15
_DISABLED, _FORWARDING = 0, 3
"""States of a bridge's port. Source: ip-link(8)."""
_FIRST_PODS = 120


class LabNetwork(msgspec.Struct, frozen=True):
    """The network 10.88.NUMBER.0/24 on the bridge `fleet-labNUMBER`; the pods of machine K have
    10.(120+K).NUMBER.0/24."""

    number: int

    @property
    def bridge(self) -> str:
        return f"fleet-lab{self.number}"

    @property
    def card(self) -> str:
        """Returns the bridge's own hardware address. Without one the bridge uses the address of one of its machines,
        which changes as machines come and go, while the others still use the old one."""
        return f"02:88:00:00:{self.number:02x}:01"

    @property
    def gateway(self) -> str:
        """Returns this computer's own address on the bridge."""
        return f"10.88.{self.number}.1"

    def address(self, index: int) -> str:
        """Returns the address of the machine with this index, from 0."""
        return f"10.88.{self.number}.{_FIRST_HOST + index}"

    def pods(self, index: int) -> str:
        """Returns the subnet of the pods of the machine with this index."""
        return f"10.{_FIRST_PODS + index}.{self.number}.0/24"


def create() -> LabNetwork:
    """Creates a bridge with the first free number. Raises LabError where the kernel does not create one."""
    refusal: LabError | None = None
    for number in _NUMBERS:
        network = LabNetwork(number)
        try:
            run("ip", "link", "add", network.bridge, "address", network.card, "type", "bridge")
        except LabError as error:
            refusal = error
            if "File exists" in str(error):
                continue
            break
        try:
            run("ip", "address", "add", f"{network.gateway}/24", "dev", network.bridge)
            run("ip", "link", "set", network.bridge, "up")
        except LabError:
            remove(network)
            raise
        return network
    raise LabError(
        f"no bridge for the machines: {refusal}", "the rights of root and a Linux with bridges are needed"
    )


def cut(network: LabNetwork, address: str, container: str) -> None:
    """Cuts the network of a machine: no packet reaches it or comes from it, and neither side is notified. Packets of a
    machine that boots meanwhile arrive but are not answered. Raises LabError."""
    run(
        *("ip", "neighbour", "replace", address, "lladdr", _NOBODY),
        *("dev", network.bridge, "nud", "permanent"),
    )
    _port(container, _DISABLED)


def restore(network: LabNetwork, address: str, container: str) -> None:
    """Restores the network of a machine. Raises LabError where it was not cut."""
    run("ip", "neighbour", "delete", address, "dev", network.bridge)
    _port(container, _FORWARDING)


def unplug(container: str) -> None:
    """Removes the network interface that a machine has left. The interface stays for minutes where connections have
    not noticed its end, and blocks a new one. Raises LabError."""
    name = _card(container)
    if Path("/sys/class/net", name).exists():
        try:
            run("ip", "link", "delete", name)
        except LabError as error:
            if "Cannot find device" not in str(error):
                raise


def _port(container: str, state: int) -> None:
    """Sets the state of the machine's bridge port, which does not exist while the machine is off."""
    name = _card(container)
    if len(name) > _NAME_MOST:
        raise LabError(f"the network of {container} cannot be cut: its name is too long")
    if Path("/sys/class/net", name).exists():
        run("ip", "link", "set", "dev", name, "type", "bridge_slave", "state", str(state))


def _card(container: str) -> str:
    """Returns the name of this computer's end of the machine's virtual Ethernet pair, as systemd-nspawn names it."""
    return f"vb-{container}"


def route(network: LabNetwork, count: int) -> None:
    """Adds routes from this computer to the pods of `count` machines; they are removed with the bridge. Raises
    LabError."""
    for index in range(count):
        run("ip", "route", "add", network.pods(index), "via", network.address(index), "dev", network.bridge)


def remove(network: LabNetwork) -> None:
    """Removes the bridge. Raises LabError where it exists and cannot be removed."""
    try:
        run("ip", "link", "delete", network.bridge)
    except LabError as error:
        if "Cannot find device" not in str(error):
            raise
