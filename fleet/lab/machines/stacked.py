"""A control plane on the lab's machines themselves: several of them run an etcd member and an API server each."""

from __future__ import annotations

import http.client
import shutil
import socket
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from fleet.lab import nodes
from fleet.lab.build import KUBERNETES_VERSION, ReportLine
from fleet.lab.control_plane import certificates, kubeconfig
from fleet.lab.control_plane.api import Api
from fleet.lab.control_plane.certificates import Certificates
from fleet.lab.control_plane.control_plane import NAME
from fleet.lab.control_plane.files import BALANCER
from fleet.lab.control_plane.state import decode_path
from fleet.lab.errors import LabError
from fleet.lab.machines import cluster, manifests
from fleet.lab.machines.machine import LabMachine
from fleet.lab.machines.machines import LabMachines
from fleet.lab.objects import core_api
from fleet.lab.process import Process, ProcessRecord
from fleet.lab.status import LabStatus, ProgramStatus

UP_SECONDS = 420.0
"""Seconds until every machine must be a node. Generous: a minute and a half on two cores that have nothing else to
do."""

ROLE = "node-role.kubernetes.io/control-plane"
_FILE = "stacked.json"
_POLL_SECONDS = 0.5


class _State(msgspec.Struct, frozen=True):
    started_at: datetime
    server: str
    certificates: Certificates
    balancer: ProcessRecord


class Stacked:
    """The state of the control plane on this computer. Made by `up` or `load`."""

    def __init__(self, directory: Path, state: _State, balancer: Process) -> None:
        self.directory = directory
        self._state = state
        self._balancer = balancer

    @staticmethod
    def up(
        directory: Path, machines: LabMachines, members: Sequence[str], *, tied: bool, progress: ReportLine
    ) -> Stacked:
        """Starts a control plane on the machines of these names, with all machines as its nodes, in `directory`, which
        must be new.

        A load balancer on this computer is in front of its API servers. With `tied` it ends when this process does;
        otherwise it runs until `down`. Returns when every machine is a node. Raises LabError, and then leaves nothing
        on this computer; the machines are no longer new.
        """
        directory = directory.absolute()
        if directory.exists():
            raise LabError(f"{directory} exists already", "stop what is there with: fleet lab down")
        directory.mkdir(mode=0o700, parents=True)
        try:
            hosts = [machine for machine in machines.all if machine.name in members]
            control_plane = Stacked._prepared(directory, machines, hosts, tied)
        except BaseException:
            shutil.rmtree(directory)
            raise
        try:
            for machine in machines.all:
                progress(f"{machine.name} joins {control_plane.server}")
                control_files = manifests.files(
                    machine, hosts, control_plane.certificates, control_plane.server
                )
                extra = control_files if machine in hosts else {}
                joined = cluster.files(
                    machines, machine.name, control_plane.server, control_plane.certificates
                )
                machines.join(machine.name, {**joined, **extra})
            cluster.import_agent(machines, progress)
            progress(f"waiting for the API servers of {', '.join(members)}, and for the nodes")
            for machine in machines.all:
                control_plane.await_node(machine, machine in hosts)
                progress(f"{machine.name} is a node")
        except BaseException:
            control_plane.down()
            raise
        return control_plane

    @staticmethod
    def load(directory: Path) -> Stacked:
        """Returns the control plane that any process has started in `directory`. Raises LabError where there is
        none."""
        directory = directory.absolute()
        try:
            state = msgspec.json.decode((directory / _FILE).read_bytes(), type=_State, dec_hook=decode_path)
        except (OSError, msgspec.MsgspecError) as error:
            raise LabError(f"there is no control plane of machines in {directory}: {error}") from error
        return Stacked(directory, state, Process(state.balancer))

    @staticmethod
    def exists(directory: Path) -> bool:
        """Returns whether there is one in `directory`, running or not."""
        return (directory / _FILE).exists()

    @property
    def kubeconfig(self) -> Path:
        """Returns the path of the administrator's kubeconfig."""
        return self.directory / "kubeconfig"

    @property
    def server(self) -> str:
        """Returns the load balancer's address."""
        return self._state.server

    @property
    def certificates(self) -> Certificates:
        """Returns every certificate of the control plane."""
        return self._state.certificates

    def status(self) -> LabStatus:
        """Returns which programs run on this computer, and how many nodes there are."""
        record = self._balancer.record
        try:
            counted = nodes.count(core_api(self.server, self.certificates))
        except LabError:
            counted = None
        return LabStatus(
            directory=self.directory,
            kubeconfig=self.kubeconfig,
            server=self.server,
            kubernetes=KUBERNETES_VERSION,
            started_at=self._state.started_at,
            programs=(ProgramStatus(record.name, record.pid, self._balancer.is_alive(), record.log),),
            wanted=(BALANCER,),
            nodes=counted,
        )

    def down(self) -> None:
        """Stops the load balancer and removes the files. All other programs end with the machines."""
        self._balancer.stop()
        shutil.rmtree(self.directory)

    @staticmethod
    def _prepared(
        directory: Path, machines: LabMachines, chosen: Sequence[LabMachine], tied: bool
    ) -> Stacked:
        """Returns the control plane with its certificates and its load balancer, which has no servers yet."""
        now = datetime.now(UTC)  # noqa: TID251 - the edge: certificates begin now
        hosts = {machine.name: machine.address for machine in machines.all}
        addresses = tuple(machine.address for machine in chosen)
        issued = certificates.issue(directory / "pki", now, machines.gateway, hosts, addresses)
        port = _free_port(machines.gateway)
        command: list[str | Path] = [sys.executable, "-P", "-m", "fleet.lab.control_plane.balancer"]
        command += [f"--listen={machines.gateway}:{port}", f"--authority={issued.authority}"]
        command += [f"--servers={','.join(f'{address}:{manifests.API_PORT}' for address in addresses)}"]
        balancer = Process.start(BALANCER, command, directory / "balancer.log", tied=tied)
        state = _State(now, f"https://{machines.gateway}:{port}", issued, balancer.record)
        (directory / _FILE).write_bytes(msgspec.json.encode(state, enc_hook=str))
        control_plane = Stacked(directory, state, balancer)
        kubeconfig.write(
            control_plane.kubeconfig,
            name=NAME,
            server=state.server,
            authority=issued.authority,
            client=issued.admin,
        )
        return control_plane

    def await_node(self, machine: LabMachine, control: bool) -> None:
        """Waits until the machine has registered as a node, and marks the node as kubeadm does. Raises LabError."""
        api, path, last = self._api(), f"/api/v1/nodes/{machine.name}", "no answer"
        mark: dict[str, object] = {}
        if control:
            taint = {"key": ROLE, "effect": "NoSchedule"}
            mark = {"metadata": {"labels": {ROLE: ""}}, "spec": {"taints": [taint]}}
        deadline = time.monotonic() + UP_SECONDS
        while True:
            self._balancer.check()
            try:
                answer = api.call("PATCH", path, mark, "application/strategic-merge-patch+json")
                if answer.status == 200:
                    return
                last = answer.body.decode(errors="replace")[:300]
            except (OSError, http.client.HTTPException) as error:
                last = str(error)
            if time.monotonic() > deadline:
                raise LabError(f"{machine.name} is no node after {UP_SECONDS:.0f} s: {last}")
            time.sleep(_POLL_SECONDS)  # noqa: TID251 - between two looks at the condition

    def _api(self) -> Api:
        return Api(self.server, self.certificates.authority, self.certificates.admin)


def _free_port(address: str) -> int:
    with socket.socket() as listening:
        listening.bind((address, 0))
        port: int = listening.getsockname()[1]
        return port
