"""One machine of the lab, as stored on disk."""

from __future__ import annotations

from pathlib import Path

import msgspec

from fleet.lab.errors import LabError
from fleet.lab.machines.computer.network import LabNetwork

_FILE = "machine.json"


class LabMachine(msgspec.Struct, frozen=True):
    """A machine. `index` counts the machines of a lab from 0 and determines its addresses."""

    name: str
    index: int
    network: LabNetwork
    home: str
    """The machine's folder: the disk, the boot loader's state, the console's log."""

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
        """Returns the machine's name among all containers of this computer, on which two labs may have machines of one
        name."""
        return f"fl{self.network.number}-{self.name}"


def save(machine: LabMachine) -> None:
    """Writes the machine's state into its folder."""
    (machine.folder / _FILE).write_bytes(msgspec.json.encode(machine))


def load(folder: Path) -> LabMachine:
    """Returns the machine in this folder. Raises LabError where there is none."""
    try:
        return msgspec.json.decode((folder / _FILE).read_bytes(), type=LabMachine)
    except (OSError, msgspec.MsgspecError) as error:
        raise LabError(f"{folder} holds no machine of the lab: {error}") from error
