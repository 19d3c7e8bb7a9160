"""A control plane on the lab's machines themselves: each of several has an etcd member and an API server."""

from __future__ import annotations

import http.client
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from fleet.lab import certificates, kubeconfig
from fleet.lab.api import Api
from fleet.lab.build import Progress
from fleet.lab.certificates import Certificates
from fleet.lab.controlplane import NAME
from fleet.lab.errors import LabError
from fleet.lab.machines import cluster, manifests
from fleet.lab.machines.machines import Machines
from fleet.lab.process import Process

UP_SECONDS = 420.0
"""Generous: a minute and a half on two cores that have nothing else to do."""

ROLE = "node-role.kubernetes.io/control-plane"
_POLL_SECONDS = 0.5


class Stacked:
    """What is known of it on this computer. Ends with the machines; the balancer with `down`."""

    def __init__(self, directory: Path, server: str, issued: Certificates, balancer: Process) -> None:
        self.server = server
        self.certificates = issued
        self.kubeconfig = directory / "kubeconfig"
        self._balancer = balancer

    def down(self) -> None:
        """Stops the balancer."""
        self._balancer.stop()


def up(directory: Path, machines: Machines, members: int, *, progress: Progress) -> Stacked:
    """A control plane on the first so many machines, and all of them as its nodes; certificates in `directory`.

    The balancer before its API servers runs on this computer and ends with this process. Returns when every node has
    registered. Raises LabError.
    """
    directory.mkdir(parents=True)
    chosen = machines.all[:members]
    hosts = {each.name: each.address for each in machines.all}
    now = datetime.now(UTC)  # noqa: TID251 - the edge: certificates begin now
    addresses = tuple(each.address for each in chosen)
    issued = certificates.issue(directory / "pki", now, machines.gateway, hosts, addresses)
    port = _free_port(machines.gateway)
    server = f"https://{machines.gateway}:{port}"
    command: list[str | Path] = [sys.executable, "-m", "fleet.lab.balancer"]
    command += [f"--listen={machines.gateway}:{port}", f"--authority={issued.authority}"]
    command += [f"--servers={','.join(f'{each.address}:{manifests.API_PORT}' for each in chosen)}"]
    balancer = Process.start("balancer", command, directory / "balancer.log", tied=True)
    found = Stacked(directory, server, issued, balancer)
    try:
        kubeconfig.write(
            found.kubeconfig, name=NAME, server=server, authority=issued.authority, client=issued.admin
        )
        for each in machines.all:
            progress(f"{each.name} joins {server}")
            own = manifests.files(each, chosen, issued, server) if each in chosen else {}
            machines.join(each.name, {**cluster.files(machines, each.name, server, issued), **own})
        cluster.import_agent(machines, progress)
        _mark(found, machines, members, progress)
    except BaseException:
        found.down()
        raise
    return found


def _mark(found: Stacked, machines: Machines, members: int, progress: Progress) -> None:
    """Waits for every Node, and tells which are the control plane's."""
    progress("waiting for the API servers and the nodes")
    api = Api(found.server, found.certificates.authority, found.certificates.admin)
    deadline = time.monotonic() + UP_SECONDS
    for place, each in enumerate(machines.all):
        path, last = f"/api/v1/nodes/{each.name}", "no answer"
        patch: dict[str, object] = {}
        if place < members:
            taint = {"key": ROLE, "effect": "NoSchedule"}
            patch = {"metadata": {"labels": {ROLE: ""}}, "spec": {"taints": [taint]}}
        while True:
            try:
                answer = api.call("PATCH", path, patch, "application/strategic-merge-patch+json")
                if answer.status == 200:
                    break
                last = answer.body.decode(errors="replace")[:300]
            except (OSError, http.client.HTTPException) as error:
                last = str(error)
            if time.monotonic() > deadline:
                raise LabError(f"{each.name} is no node after {UP_SECONDS:.0f} s: {last}")
            time.sleep(_POLL_SECONDS)  # noqa: TID251 - between two looks at the condition


def _free_port(address: str) -> int:
    with socket.socket() as listening:
        listening.bind((address, 0))
        port: int = listening.getsockname()[1]
        return port
