"""The state of a lab on disk, by which another process can find, inspect and stop the lab."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from fleet.lab.build import KUBERNETES_VERSION, Binaries
from fleet.lab.control_plane.certificates import Certificates
from fleet.lab.control_plane.ports import Ports
from fleet.lab.errors import LabError
from fleet.lab.process import ProcessRecord

_FILE = "lab.json"


class LabState(msgspec.Struct, frozen=True):
    """A lab as it was started. `processes` has the programs that were started and not yet stopped, in the order of
    starting."""

    started_at: datetime
    tied: bool
    binaries: Binaries
    certificates: Certificates
    ports: Ports
    processes: tuple[ProcessRecord, ...] = ()
    address: str = "127.0.0.1"
    kubernetes: str = KUBERNETES_VERSION


def read(directory: Path) -> LabState:
    """Returns the lab in `directory`. Raises LabError where there is none or its file cannot be read."""
    file = directory / _FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=LabState, dec_hook=decode_path)
    except FileNotFoundError as error:
        raise LabError(f"there is no lab in {directory}", "start one with: fleet lab up") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise LabError(f"{file} cannot be read: {error}") from error


def exists(directory: Path) -> bool:
    """Returns whether `directory` holds a lab, running or not."""
    return (directory / _FILE).exists()


def write(directory: Path, state: LabState) -> None:
    """Replaces the lab's file atomically, so that a reader never sees a part of it."""
    temporary = directory / f"{_FILE}.new"
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(state, enc_hook=_encoded), indent=2))
    temporary.replace(directory / _FILE)


def _encoded(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(type(value))


def decode_path(kind: type, value: object) -> object:
    """Makes the paths of a state file; a `dec_hook` of msgspec."""
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError(kind)
