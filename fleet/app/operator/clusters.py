"""The clusters of an operator: the one that it runs in, and one for each kubeconfig in a folder, which is usually a
mounted Secret. Files are added and removed while the operator runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

from fleet.app.inventory.clusters import admit, refuse_at_work
from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.kubeconfig import new_row, uid_of
from fleet.core.records.errors import FleetError, StoreError, UsageError
from fleet.kube.client import credentials
from fleet.store import ClusterRow
from fleet.system.clock import WallClock
from fleet.system.event_loop import result_of

ENDINGS = (".yaml", ".yml", ".kubeconfig")
"""Endings of kubeconfigs that are not part of their cluster's name."""


def ensure_in_pod() -> None:
    """Raises UsageError where this process has no service account of a pod."""

    async def load() -> None:
        await (await credentials.load(credentials.CredentialSource(), WallClock().now())).connections.close()

    try:
        asyncio.run(load())
    except UsageError as error:
        raise UsageError(error.message, "outside of a cluster: fleet run") from None


def add_own(home: Home, name: str) -> None:
    """Adds the cluster that this process runs in, which it reaches by the service account of its pod.

    Raises UsageError where the database has that cluster under another name, or another cluster under this name, such as
    that of another operator with the same database; another FleetError, and adds nothing, where the cluster does not answer.
    """
    rows = home.make().clusters.list()
    own = next((row for row in rows if row.in_pod), None)
    if own is not None:
        _refuse_another(home, own, name)
        return
    if any(row.name == name for row in rows):
        raise UsageError(
            f"the database has another cluster {name}, which is reached by a kubeconfig",
            "give the operator's own cluster another name: --cluster NAME, or FLEET_CLUSTER",
        )
    try:
        admit(home, ClusterRow(name=name, sites=(name,)))
    except UsageError:
        # Another replica, which was started at the same time, may have added it meanwhile.
        if not any(row.in_pod and row.name == name for row in home.store.clusters.list()):
            raise


def _refuse_another(home: Home, own: ClusterRow, name: str) -> None:
    """Raises UsageError where the database has the operator's own cluster under another name, and where the cluster that
    this process runs in is not the one of the database: nodes of the same name would be taken for those of the journal."""
    if own.name != name:
        raise UsageError(
            f"the database knows the operator's own cluster as {own.name}, not {name}",
            f"--cluster {own.name}, or FLEET_CLUSTER: the journal has its nodes under that name",
        )
    uid = result_of(uid_of(home, own))
    if own.uid and uid and uid != own.uid:
        raise UsageError(
            f"the cluster {own.name} of the database is another one than that of this pod: its kube-system has uid {uid}, "
            f"not {own.uid}",
            "give each operator a database of its own; if the cluster was made anew: fleet cluster remove "
            f"{own.name}, from wherever the database is reached",
        )


def kubeconfigs(folder: Path) -> dict[str, Path]:
    """Returns the files of the folder by the name of their cluster, which is the file's name without its ending. Hidden
    files, such as the links of a mounted Secret, are left out. Raises OSError."""
    files = (path for path in sorted(folder.iterdir()) if path.name[0] != "." and path.is_file())
    return {
        path.stem if path.suffix in ENDINGS and path.stem else path.name: path.absolute() for path in files
    }


def follow(home: Home, folder: Path) -> Iterator[str]:
    """Makes the fleet's clusters those of the folder, and yields what was done, or why it could not be done: the next
    call tries again. Clusters that are reached in another way are left alone. Raises StoreError.

    A cluster is added once it has answered. One in which a rollout works is removed after the rollout has ended.
    """
    try:
        wanted = kubeconfigs(folder)
    except OSError as error:
        yield f"the kubeconfigs in {folder} cannot be read: {error.strerror}; the clusters stay as they are"
        return
    known = {row.name: row for row in home.store.clusters.list()}
    for name, row in known.items():
        if name not in wanted and _is_in(row, folder):
            yield _tried(name, _remove, home, row.files[0])
    for name, path in wanted.items():
        if name not in known:
            yield _tried(name, _add, home, path)
        elif not _is_in(known[name], folder):
            yield f"{path} is not used: the fleet has another cluster {name}, which is reached in another way"


def _is_in(row: ClusterRow, folder: Path) -> bool:
    return row.kind == "kubeconfig" and not row.in_pod and row.files[0].parent == folder.absolute()


def _tried(name: str, work: Callable[[Home, str, Path], str], home: Home, path: Path) -> str:
    try:
        return work(home, name, path)
    except StoreError:
        raise
    except FleetError as error:
        return f"cluster {name}: {error.full_message}"


def _add(home: Home, name: str, path: Path) -> str:
    admit(home, new_row(name, path, "", (name,)))
    return f"cluster {name} is added: {path}"


def _remove(home: Home, name: str, path: Path) -> str:
    refuse_at_work(home, name)
    home.store.clusters.remove(name, at=home.now())
    return f"cluster {name} is removed: {path} is gone"
