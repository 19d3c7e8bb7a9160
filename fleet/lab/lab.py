"""A real Kubernetes control plane with fake nodes on this machine: starts and stops it, adds nodes, shows its
status."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from fleet.lab import build, nodes
from fleet.lab.build import ReportLine
from fleet.lab.control_plane import certificates, control_plane, ports, state
from fleet.lab.control_plane.api import Api
from fleet.lab.control_plane.compaction import compact
from fleet.lab.control_plane.files import API_SERVER, ETCD, ControlPlaneFiles
from fleet.lab.control_plane.readiness import wait_until_ready
from fleet.lab.directory import refuse_or_clear, remove_files
from fleet.lab.errors import LabError
from fleet.lab.objects import core_api
from fleet.lab.programs import LabPrograms
from fleet.lab.status import LabStatus, ProgramStatus

_START_TRIES = 3
"""How often a start is tried: another program may take a port between the moment it is found free and the moment it is
used."""


class Lab:
    """One control plane. Made by `up` or `load`."""

    def __init__(self, directory: Path, recorded: state.LabState) -> None:
        self._state = recorded
        self._layout = ControlPlaneFiles(
            directory, recorded.binaries, recorded.certificates, recorded.ports, recorded.address
        )
        self.programs = LabPrograms(self._layout, recorded)

    @staticmethod
    def default_directory(environ: Mapping[str, str] = os.environ) -> Path:
        """Returns the directory of `fleet lab up`: `$XDG_STATE_HOME/fleet/lab`, or `~/.local/state/fleet/lab`."""
        base = environ.get("XDG_STATE_HOME", "")
        return (Path(base) if base else Path.home() / ".local" / "state") / "fleet" / "lab"

    @staticmethod
    def up(
        directory: Path,
        *,
        tied: bool,
        progress: ReportLine,
        address: str = "127.0.0.1",
        hosts: Mapping[str, str] | None = None,
        control_planes: int = 1,
        kubernetes: str = build.DEFAULT,
    ) -> Lab:
        """Builds what is not built yet, and starts a new, empty control plane in `directory`.

        `address` is one of this computer's own, on which the API server listens; `hosts` are real hosts that will
        join, name to address: they get certificates. With several `control_planes` each has an etcd member, which is
        named as the node of its number, and an API server that uses it; a load balancer is in front of them.
        `kubernetes` is the minor version, one of `build.VERSIONS`.

        With `tied` the programs end when this process does; otherwise they run until `down`. `progress` gets a line
        for the user now and then. Raises LabError, and then leaves no process behind, only logs.
        """
        version = build.version_of(kubernetes)
        binaries = build.build(progress, kubernetes=kubernetes)
        directory = directory.absolute()
        for attempt in range(1, _START_TRIES + 1):
            lab = Lab._prepared(directory, binaries, tied, address, hosts or {}, control_planes, version)
            try:
                lab.programs.start_all(progress)
            except LabError as error:
                lab.programs.stop_all()
                if "address already in use" not in str(error) or attempt == _START_TRIES:
                    raise
                progress("a port was taken by someone else meanwhile; once more with others")
            except BaseException:
                lab.programs.stop_all()
                raise
            else:
                return lab
        raise AssertionError("unreachable")

    @staticmethod
    def load(directory: Path) -> Lab:
        """Returns the lab that any process has started in `directory`. Raises LabError where there is none."""
        directory = directory.absolute()
        return Lab(directory, state.read(directory))

    @property
    def kubeconfig(self) -> Path:
        """Returns the path of the administrator's kubeconfig."""
        return self._layout.kubeconfig

    @property
    def server(self) -> str:
        """Returns the API server's address."""
        return self._layout.server

    @property
    def directory(self) -> Path:
        """Returns the folder of the lab's files."""
        return self._layout.directory

    @property
    def etcd_endpoint(self) -> str:
        """Returns etcd's address for clients; `certificates.etcd_client` has access to it."""
        return self._layout.etcd

    @property
    def certificates(self) -> certificates.Certificates:
        """Returns every certificate of the lab."""
        return self._layout.certificates

    def pids(self) -> dict[str, int]:
        """Returns the process ids of the programs that were started and not stopped, by name."""
        return {name: started.record.pid for name, started in self.programs.running.items()}

    def log(self, program: str) -> Path:
        """Returns the path of a program's log (`etcd`, `kube-apiserver`, `kube-controller-manager`, `kube-scheduler`,
        `kwok`)."""
        return self._layout.log(program)

    def add_nodes(
        self,
        count: int,
        *,
        pools: Mapping[str, int] = nodes.DEFAULT_POOLS,
        zones: Sequence[str] = nodes.DEFAULT_ZONES,
        version: str = nodes.DEFAULT_VERSION,
        kernel: str = nodes.DEFAULT_KERNEL,
        kubelet: str = "",
        wait: bool = True,
    ) -> tuple[str, ...]:
        """Adds fake nodes, numbered after the existing ones, and returns their names.

        `kubelet` is the version that the nodes report; empty: the lab's own. `pools` has each pool's weight
        (`{"workers": 4, "storage": 1}`); `zones` are filled in turn. With `wait` it returns when all are Ready. Raises
        LabError.
        """
        first = nodes.next_number(self._objects)
        wanted = nodes.machines(
            first,
            count,
            pools=pools,
            zones=zones,
            version=version,
            kernel=kernel,
            kubelet=kubelet or self._state.kubernetes,
        )
        nodes.create(self._objects, wanted)
        names = tuple(machine.name for machine in wanted)
        if wait:
            nodes.wait_until_ready(self._objects, names, self.check)
        return names

    @cached_property
    def _objects(self) -> Any:
        return core_api(self._layout.server, self._state.certificates)

    def check(self) -> None:
        """Raises LabError with the end of its log where one of the lab's programs has ended by itself."""
        for started in self.programs.running.values():
            started.check()

    def status(self) -> LabStatus:
        """Returns which programs run, and how many nodes there are."""
        programs = tuple(
            ProgramStatus(name, started.record.pid, started.is_alive(), started.record.log)
            for name, started in self.programs.running.items()
        )
        try:
            counted = nodes.count(self._objects)
        except LabError:
            counted = None
        return LabStatus(
            directory=self.directory,
            kubeconfig=self.kubeconfig,
            server=self.server,
            kubernetes=self._state.kubernetes,
            started_at=self._state.started_at,
            programs=programs,
            wanted=self._layout.programs,
            nodes=counted,
        )

    def stop_apiserver(self) -> None:
        """Stops the API server alone; the other programs go on and wait for its return."""
        self.programs.stop(API_SERVER)

    def start_apiserver(self) -> None:
        """Starts the API server again and returns when it is ready. Raises LabError where it runs already."""
        if API_SERVER in self.programs.running:
            raise LabError("the lab's API server runs already")
        wait_until_ready(self.programs.start(API_SERVER), self._layout)

    def keep_etcd(self, target: Path) -> None:
        """Copies the data of the lab's one etcd to `target`, which is created; etcd is stopped meanwhile. Raises
        LabError."""
        self.programs.stop(ETCD)
        shutil.copytree(self.directory / "etcd", target)
        wait_until_ready(self.programs.start(ETCD), self._layout)

    def restore_etcd(self, copy: Path) -> None:
        """Restores the copy that `keep_etcd` has made. The API server keeps running, which must not be done with a
        real backup. Raises LabError."""
        self.programs.stop(ETCD)
        shutil.rmtree(self.directory / "etcd")
        shutil.copytree(copy, self.directory / "etcd")
        wait_until_ready(self.programs.start(ETCD), self._layout)

    def member(self, host: int) -> str:
        """Returns the name of the etcd member on that host of the control plane."""
        return self._layout.member(host)

    def etcd_endpoint_of(self, host: int) -> str:
        """Returns the client address of the member on that host."""
        return msgspec.structs.replace(self._layout, host=host).etcd

    def power_off(self, host: int) -> None:
        """Cuts the power of a host of the control plane without warning: its API server and its etcd are killed."""
        for name in (self._layout.api_servers[host], self._layout.etcds[host]):
            self.programs.kill(name)

    def power_on(self, host: int, ready: ReportLine = lambda program: None) -> None:
        """Starts the programs of the host again. Returns when they are ready; `ready` is called with each. Raises
        LabError."""
        names = (self._layout.etcds[host], self._layout.api_servers[host])
        for started in [self.programs.start(name) for name in names]:
            wait_until_ready(started, self._layout)
            ready(started.record.name)

    def compact_etcd(self) -> int:
        """Compacts etcd to the newest revision and returns it: watches from older ones get 410 Gone.

        The API server serves lists and watches from its own cache as far back as that reaches; clients notice the
        compaction after a restart of the API server. Raises LabError.
        """
        client = Api(self.etcd_endpoint, self.certificates.etcd_authority, self.certificates.etcd_client)
        return compact(client)

    def down(self, *, keep_files: bool = False) -> None:
        """Stops every program and removes the lab's files (the directory itself only if it holds no other files)."""
        self.programs.stop_all()
        if not keep_files:
            remove_files(self.directory)

    @staticmethod
    def _prepared(
        directory: Path,
        binaries: build.Binaries,
        tied: bool,
        address: str,
        hosts: Mapping[str, str],
        control_planes: int,
        version: build.Version,
    ) -> Lab:
        """Returns a lab with all its files and no program yet."""
        refuse_or_clear(directory)
        directory.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)  # noqa: TID251 - the edge: certificates begin now
        issued = certificates.issue(directory / "pki", now, address, hosts)
        chosen = ports.choose(random.SystemRandom(), control_planes)
        recorded = state.LabState(
            now, tied, binaries, issued, chosen, address=address, kubernetes=version.kubernetes
        )
        state.write(directory, recorded)
        lab = Lab(directory, recorded)
        control_plane.write_files(lab._layout)
        return lab
