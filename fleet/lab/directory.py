"""The directory of a lab: which files in it are the lab's own."""

from __future__ import annotations

import shutil
from pathlib import Path

from fleet.lab import process
from fleet.lab.control_plane import state
from fleet.lab.errors import LabError

_OWN = ("etcd", "pki", "logs", "scheduler.yaml", "kubeconfig", "lab.json", "lab.json.new")
"""The files that a lab writes into its directory, in addition to one kubeconfig for each program."""


def refuse_or_clear(directory: Path) -> None:
    """Removes an old lab's files, but never a running lab or files of other programs."""
    if not directory.exists():
        return
    foreign = [path.name for path in directory.iterdir() if not _is_own(path)]
    if foreign:
        raise LabError(f"{directory} holds other files ({foreign[0]})", "choose an empty or a new directory")
    if state.exists(directory):
        alive = [
            record.name for record in state.read(directory).processes if process.Process(record).is_alive()
        ]
        if alive:
            raise LabError(
                f"a lab runs already in {directory} ({', '.join(alive)})",
                "stop it first with: fleet lab down, or choose another directory",
            )
    remove_files(directory)


def remove_files(directory: Path) -> None:
    """Removes the lab's files, and the directory itself if it holds no others."""
    if not directory.is_dir():
        return
    for path in [path for path in directory.iterdir() if _is_own(path)]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    if not any(directory.iterdir()):
        directory.rmdir()


def _is_own(path: Path) -> bool:
    return path.name in _OWN or path.suffix == ".kubeconfig"
