"""The pod of this process, as its environment describes it."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from fleet.app.wiring.home import Home
from fleet.core.state.own_pod import DatabasePlace, OwnPod
from fleet.kube.client import credentials
from fleet.store.db.address import DatabaseAddress
from fleet.system.mounts import MOUNTINFO, outlives_container

POD = "FLEET_POD"
"""Environment: the name of the pod, by the downward API. Without it the name of the host counts, which is that of the
pod unless the pod shares the network of its node."""


def own_pod(home: Home, cluster: str, environ: Mapping[str, str]) -> OwnPod:
    """Returns the pod that this process runs in, and where its database is. Raises OSError where the folder of the service
    account cannot be read."""
    namespace = (credentials.ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    name = environ.get(POD, "") or socket.gethostname()
    return OwnPod(cluster, namespace, name, database_place(home, MOUNTINFO.read_text(encoding="utf-8")))


def database_place(home: Home, mountinfo: str) -> DatabasePlace:
    """Returns where the database of the home is."""
    address = DatabaseAddress.parse(home.database)
    if address.kind != "sqlite":
        return "server"
    return "volume" if outlives_container(address.path, mountinfo) else "pod"
