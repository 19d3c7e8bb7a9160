"""A set of real hosts on this computer: starts them, reaches them, cuts their power, stops them."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from fleet.lab.build import ReportLine
from fleet.lab.control_plane.state import decode_path
from fleet.lab.errors import LabError
from fleet.lab.machines import etc, keys, machine, requirements
from fleet.lab.machines.computer import cgroups, limits, network
from fleet.lab.machines.images import releases
from fleet.lab.machines.images.disk import Disk
from fleet.lab.process import Process, ProcessRecord, last_lines

REACHABLE_SECONDS = 120.0
"""Seconds until a machine must be reachable. Generous: a machine is reachable after some three seconds, on a busy
computer after thirty."""

DEAD_SECONDS = 30.0

_FILE = "machines.json"
_SERVER = "releases"
_PORT = 8080
_POLL_SECONDS = 0.1


class _State(msgspec.Struct, frozen=True):
    tied: bool
    network: network.LabNetwork
    names: tuple[str, ...]
    processes: tuple[ProcessRecord, ...] = ()


class LabMachines:
    """Machines in one folder. Made by `up` or `load`."""

    def __init__(self, directory: Path, state: _State) -> None:
        self.directory = directory
        self._state = state
        self._processes = {record.name: Process(record) for record in state.processes}

    @staticmethod
    def up(directory: Path, names: Sequence[str], *, tied: bool, progress: ReportLine) -> LabMachines:
        """Builds what is not built yet, and boots new machines of release 1.0 in `directory`, which must be new.

        With `tied` they end when this process does; otherwise they run until `down`. Raises LabError, and then leaves
        nothing behind.
        """
        requirements.require()
        limits.raise_limits(progress)
        repository = releases.build(progress)
        directory = directory.absolute()
        if directory.exists():
            raise LabError(f"{directory} exists already", "stop what is there with: fleet lab down")
        directory.mkdir(parents=True)
        machines = LabMachines(directory, _State(tied, network.create(), tuple(names)))
        try:
            machines._prepare(repository, progress)
            progress(f"booting {', '.join(names)}")
            for name in names:
                machines.power_on(name)
            for name in names:
                machines.wait_until_reachable(name)
        except BaseException:
            machines.down()
            raise
        return machines

    @staticmethod
    def load(directory: Path) -> LabMachines:
        """Returns the machines that any process has started in `directory`. Raises LabError where there are none."""
        directory = directory.absolute()
        try:
            state = msgspec.json.decode((directory / _FILE).read_bytes(), type=_State, dec_hook=decode_path)
        except (OSError, msgspec.MsgspecError) as error:
            raise LabError(f"there are no machines in {directory}: {error}") from error
        return LabMachines(directory, state)

    @staticmethod
    def exist(directory: Path) -> bool:
        """Returns whether there are machines in `directory`, running or not."""
        return (directory / _FILE).exists()

    @property
    def all(self) -> tuple[machine.LabMachine, ...]:
        """Returns every machine, running or not."""
        return tuple(
            machine.LabMachine(name, index, self._state.network, str(self.directory / name))
            for index, name in enumerate(self._state.names)
        )

    @property
    def gateway(self) -> str:
        """Returns this computer's own address in the machines' network."""
        return self._state.network.gateway

    @property
    def ssh_config(self) -> Path:
        """Returns the path of a configuration for `ssh -F`, with which each machine is reached by its name."""
        return self.directory / "ssh" / "config"

    @property
    def repository(self) -> Path:
        """Returns the path of the OSTree repository that the machines upgrade from; only these machines use it."""
        return self.directory / "repo"

    def commits(self) -> Mapping[str, str]:
        """Returns the commit checksum of every release, by version."""
        return releases.commits(self.repository)

    def publish(self, version: str) -> None:
        """Makes a release the newest on the branch that the machines follow."""
        releases.publish(self.repository, version)

    def log(self, name: str) -> Path:
        """Returns the path of a machine's log: its console, and the choices of its boot loader."""
        return self.directory / f"{name}.log"

    def is_on(self, name: str) -> bool:
        """Returns whether the machine has power."""
        return name in self._processes and self._processes[name].is_alive()

    def power_on(self, name: str) -> None:
        """Boots a machine that is off. Raises LabError where it is on."""
        if self.is_on(name):
            raise LabError(f"{name} is on already")
        self._start(
            name, [sys.executable, "-P", "-m", "fleet.lab.machines.computer.power", self.directory / name]
        )

    def power_off(self, name: str) -> None:
        """Shuts the machine down cleanly; where that takes more than ten seconds the power is cut."""
        self._processes[name].stop()
        self._end_all(name)
        self._forget(name)

    def join(self, name: str, files: Mapping[str, etc.File]) -> None:
        """Makes the machine write these files below its own /etc, and starts its kubelet.

        Raises LabError.
        """
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as out:
            for path, file in files.items():
                member = tarfile.TarInfo(path)
                content = file.text.encode()
                member.size, member.mode = len(content), file.mode
                out.addfile(member, io.BytesIO(content))
        command = "tar -C /etc -x && systemctl start --no-block fleet-lab-service containerd kubelet"
        argv = ["ssh", "-F", str(self.ssh_config), name, command]
        done = subprocess.run(argv, input=packed.getvalue(), capture_output=True, check=False)
        if done.returncode != 0:
            raise LabError(f"{name} does not join: {done.stderr.decode(errors='replace').strip()}")

    def import_image(self, name: str, archive: bytes) -> None:
        """Imports an image, an OCI archive, into the container runtime of a machine that has joined. Raises
        LabError."""
        command = "systemctl start containerd && ctr --namespace k8s.io images import --local -"
        argv = ["ssh", "-F", str(self.ssh_config), name, command]
        done = subprocess.run(argv, input=archive, capture_output=True, check=False)
        if done.returncode != 0:
            raise LabError(f"{name} takes no image: {done.stderr.decode(errors='replace').strip()}")

    def cut_power(self, name: str) -> None:
        """Ends the machine between two instructions, as if the plug were pulled."""
        self._processes[name].kill()
        self._end_all(name)
        self._forget(name)

    def cut_network(self, name: str) -> None:
        """Cuts the machine's network: packets from and to it are lost, without notice to either side. Raises
        LabError."""
        cut = self._machine(name)
        network.cut(cut.network, cut.address, cut.container)

    def restore_network(self, name: str) -> None:
        """Restores the machine's network. Raises LabError where it was not cut."""
        cut = self._machine(name)
        network.restore(cut.network, cut.address, cut.container)

    def hold_releases(self) -> None:
        """Holds downloads of releases: machines that fetch a release learn its contents, and then wait for its
        files."""
        self._held.touch()

    def let_releases_go(self) -> None:
        self._held.unlink()

    def run(self, name: str, *command: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Runs a command line on a machine, by ssh, as root. Raises subprocess.TimeoutExpired."""
        argv = ["ssh", "-F", str(self.ssh_config), name, *command]
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=seconds
        )

    def wait_until_reachable(self, name: str, seconds: float = REACHABLE_SECONDS) -> None:
        """Returns when ssh answers. Raises LabError with the end of the machine's console where it does not."""
        deadline = time.monotonic() + seconds
        while (answer := self.run(name, "true")).returncode != 0:
            if not self.is_on(name) or time.monotonic() > deadline:
                state = "cannot be reached" if self.is_on(name) else "is off"
                raise LabError(f"{name} {state}: {answer.stderr.strip()}\n{last_lines(self.log(name))}")
            time.sleep(_POLL_SECONDS)  # noqa: TID251 - between two looks at the condition

    def down(self) -> None:
        """Cuts the power of every machine and removes all of their files."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda process: process.kill(), self._processes.values()))
            self._processes.clear()
            list(pool.map(self._remove, self.all))
        network.remove(self._state.network)
        shutil.rmtree(self.directory)

    def _remove(self, lab_machine: machine.LabMachine) -> None:
        """Removes what is left of a machine without power."""
        self._end_all(lab_machine.name)
        network.unplug(lab_machine.container)
        cgroups.remove(lab_machine.container)
        if lab_machine.folder.exists():
            Disk(lab_machine.folder / "disk").remove()

    def _prepare(self, repository: Path, progress: ReportLine) -> None:
        """Writes every disk and starts the server of releases."""
        self._remember()
        network.route(self._state.network, len(self._state.names))
        releases.copy(repository, self.repository)
        newest = self.commits()[releases.EDITIONS[0].version]
        gateway = self._state.network.gateway
        server = [sys.executable, "-P", "-m", "fleet.lab.machines.server", gateway, str(_PORT)]
        self._start(_SERVER, [*server, self.repository, self._held])
        login, hosts = keys.make(), {name: keys.make() for name in self._state.names}
        keys.write(self.directory / "ssh", login, self.all, hosts)
        source = repository
        for lab_machine in self.all:
            progress(f"writing the disk of {lab_machine.name}")
            lab_machine.folder.mkdir()
            machine.save(lab_machine)
            disk = Disk(lab_machine.folder / "disk")
            deployment = disk.install(source, newest, f"http://{gateway}:{_PORT}/")
            # Further repositories link the files that the first has unpacked: OSTree never writes into an existing
            # file.
            source = disk.repository
            etc.write(
                disk.deployment(deployment) / "etc",
                etc.host(lab_machine, self.all, hosts[lab_machine.name], login),
            )

    @property
    def _held(self) -> Path:
        return self.directory / "hold"

    def _machine(self, name: str) -> machine.LabMachine:
        return next(lab_machine for lab_machine in self.all if lab_machine.name == name)

    def _start(self, name: str, command: Sequence[str | Path]) -> None:
        self._processes[name] = Process.start(name, command, self.log(name), tied=self._state.tied)
        self._remember()

    def _end_all(self, name: str) -> None:
        """Kills all processes of the machine: systemd-nspawn that is killed leaves its container running, and the
        kernel takes time to end one."""
        container = next(lab_machine.container for lab_machine in self.all if lab_machine.name == name)
        deadline = time.monotonic() + DEAD_SECONDS
        while cgroups.processes(container):
            cgroups.kill(container)
            if time.monotonic() > deadline:
                raise LabError(
                    f"processes of {name} do not end, {DEAD_SECONDS:.0f} s after its power was cut"
                )
            time.sleep(_POLL_SECONDS)  # noqa: TID251 - between two looks at the condition

    def _forget(self, name: str) -> None:
        del self._processes[name]
        self._remember()

    def _remember(self) -> None:
        records = tuple(process.record for process in self._processes.values())
        self._state = msgspec.structs.replace(self._state, processes=records)
        temporary = self.directory / f"{_FILE}.new"
        temporary.write_bytes(msgspec.json.encode(self._state, enc_hook=str))
        temporary.replace(self.directory / _FILE)


def beside(lab: Path) -> Path:
    """Returns the folder of the machines of the lab in this folder."""
    return lab.with_name(f"{lab.name}-machines")
