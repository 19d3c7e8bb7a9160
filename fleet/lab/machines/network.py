"""The network between the machines and this computer: one bridge for each set of machines, with a subnet of its own."""

from __future__ import annotations

import msgspec

from fleet.lab.errors import LabError
from fleet.lab.machines.command import run

_NUMBERS = range(1, 200)
_FIRST_HOST = 11
_NOBODY = "02:00:00:00:00:00"


class Network(msgspec.Struct, frozen=True):
    """10.88.NUMBER.0/24 on the bridge `fleet-labNUMBER`; pods of the machine K have 10.89.K.0/24 among themselves."""

    number: int

    @property
    def bridge(self) -> str:
        return f"fleet-lab{self.number}"

    @property
    def card(self) -> str:
        """The bridge's hardware address. Without one of its own it takes a machine's, another one whenever machines
        come and go, and those that remain call the old one."""
        return f"02:88:00:00:{self.number:02x}:01"

    @property
    def gateway(self) -> str:
        """This computer's own address on the bridge."""
        return f"10.88.{self.number}.1"

    def address(self, index: int) -> str:
        """Of the machine with this index, from 0."""
        return f"10.88.{self.number}.{_FIRST_HOST + index}"

    def pods(self, index: int) -> str:
        """The subnet of the pods of the machine with this index."""
        return f"10.89.{_FIRST_HOST + index}.0/24"


def create() -> Network:
    """A new bridge with the first number that nobody uses. Raises LabError when the kernel makes none."""
    refusal: LabError | None = None
    for number in _NUMBERS:
        network = Network(number)
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


def cut(network: Network, address: str) -> None:
    """What this computer sends to that address goes to a card that does not exist. Raises LabError."""
    run(
        *("ip", "neighbour", "replace", address, "lladdr", _NOBODY),
        *("dev", network.bridge, "nud", "permanent"),
    )


def mend(network: Network, address: str) -> None:
    """Raises LabError where it was not cut."""
    run("ip", "neighbour", "delete", address, "dev", network.bridge)


def remove(network: Network) -> None:
    """Takes the bridge away. Raises LabError when it is there and stays."""
    try:
        run("ip", "link", "delete", network.bridge)
    except LabError as error:
        if "Cannot find device" not in str(error):
            raise
