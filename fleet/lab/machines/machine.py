"""One machine of the lab, as it is known on disk."""

from __future__ import annotations

from pathlib import Path

import msgspec

from fleet.lab.errors import LabError
from fleet.lab.machines.computer.network import LabNetwork

_FILE = "machine.json"


class LabMachine(msgspec.Struct, frozen=True):
    """`index` counts the machines of a lab from 0 and gives its addresses."""

    name: str
    index: int
    network: LabNetwork
    home: str
    """Its folder: the disk, what the boot loader remembers, the console's log."""

    @property
    def folder(self) -> Path:
        return Path(self.home)

    @property
    def address(self) -> str:
        return self.network.address(self.index)

    @property
    def bridge(self) -> str:
        return self.network.bridge

    @property
    def container(self) -> str:
        """Its name among all containers of this computer, in which two labs may have machines of one name."""
        return f"fl{self.network.number}-{self.name}"


def save(machine: LabMachine) -> None:
    """Writes it into its folder."""
    (machine.folder / _FILE).write_bytes(msgspec.json.encode(machine))


def load(folder: Path) -> LabMachine:
    """The machine of this folder. Raises LabError when there is none."""
    try:
        return msgspec.json.decode((folder / _FILE).read_bytes(), type=LabMachine)
    except (OSError, msgspec.MsgspecError) as error:
        raise LabError(f"{folder} holds no machine of the lab: {error}") from error
