"""A virtual machine with a kernel of its own, as a process: `python -m fleet.lab.machines.vm FOLDER`.

QEMU emulates it in software, which needs no KVM and is slow. Its disk has a boot loader (extlinux) whose menu OSTree
writes: the machine itself chooses what boots after a reboot, without help from outside.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import msgspec

from fleet.lab.build import ReportLine
from fleet.lab.errors import LabError
from fleet.lab.machines import etc, keys, requirements
from fleet.lab.machines.computer import tied
from fleet.lab.machines.computer.command import run
from fleet.lab.machines.images import kernels
from fleet.lab.machines.images.disk import Disk
from fleet.lab.process import Process, last_lines

NAME = "vm-1"
REACHABLE_SECONDS = 900.0
"""Seconds until the machine must be reachable. Generous: two minutes on two cores that have nothing else to do."""

_DISK_MIB = 2048
_MEMORY_MIB = 768
_HOST = "10.0.2.2"
"""This computer's address in QEMU's user network."""
_GUEST = "10.0.2.15"
_POLL_SECONDS = 1.0
_KERNEL_ARGUMENTS = (
    *("root=/dev/vda", "rw", "console=ttyS0", "quiet", "panic=10"),
    # These are slow on an emulated processor, or wait for hardware that does not exist.
    *("mitigations=off", "nokaslr", "audit=0", "apparmor=0", "tsc=reliable", "no_timer_check"),
    *("random.trust_cpu=1", "selinux=0"),
)


class _Config(msgspec.Struct, frozen=True):
    port: int


class Vm:
    """The virtual machine in a folder: booted by `up`, ended by `down`."""

    def __init__(self, directory: Path, port: int, releases: kernels.KernelReleases) -> None:
        self.directory = directory
        self.port = port
        """The port of ssh on the loopback address."""
        self.releases = releases
        self._processes: list[Process] = []

    @staticmethod
    def up(directory: Path, progress: ReportLine) -> Vm:
        """Builds what is not built yet and boots the older release in `directory`, which must be new.

        The machine ends when this process does. Raises LabError.
        """
        if missing := requirements.lacking_for_vm():
            raise LabError("this computer cannot run a virtual machine", f"it lacks {'; '.join(missing)}")
        releases = kernels.build(progress)
        directory.mkdir(parents=True)
        vm = Vm(directory.absolute(), _free_port(), releases)
        try:
            vm._prepare(progress)
            progress("booting")
            vm._start(NAME, "fleet.lab.machines.vm", vm.directory)
            vm.wait_until_reachable()
        except BaseException:
            vm.down()
            raise
        return vm

    @property
    def ssh_config(self) -> Path:
        """Returns the path of a configuration for `ssh -F`, with which the machine is reached by its name."""
        return self.directory / "ssh" / "config"

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    def run(self, command: str, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Runs a command line on the machine, by ssh, as root. Raises subprocess.TimeoutExpired."""
        argv = ["ssh", "-F", str(self.ssh_config), NAME, command]
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=seconds
        )

    def wait_until_reachable(self) -> None:
        """Returns when ssh answers. Raises LabError with the end of the machine's console where it does not."""
        deadline = time.monotonic() + REACHABLE_SECONDS
        while (answer := self.run("true")).returncode != 0:
            for process in self._processes:
                process.check()
            if time.monotonic() > deadline:
                raise LabError(f"{NAME} cannot be reached: {answer.stderr}\n{last_lines(self.console)}")
            time.sleep(_POLL_SECONDS)  # noqa: TID251 - between two looks at the condition

    def down(self) -> None:
        """Cuts the power. Written files stay in `directory`."""
        for process in reversed(self._processes):
            process.stop()
        self._processes.clear()

    def _prepare(self, progress: ReportLine) -> None:
        server = _free_port()
        hold = self.directory / "hold"
        self._start(
            "releases", "fleet.lab.machines.server", "127.0.0.1", str(server), self.releases.repository, hold
        )
        progress("writing the disk")
        login, host = keys.make(), keys.make()
        _write_ssh(self.directory / "ssh", login, host, self.port)
        _write_disk(
            self.directory / "disk.img", self.releases, f"http://{_HOST}:{server}/", _own(host, login)
        )
        (self.directory / "vm.json").write_bytes(msgspec.json.encode(_Config(self.port)))

    def _start(self, name: str, module: str, *arguments: str | Path) -> None:
        command = [sys.executable, "-P", "-m", module, *arguments]
        self._processes.append(Process.start(name, command, self.directory / f"{name}.log", tied=True))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _write_ssh(folder: Path, login: keys.SshKeyPair, host: keys.SshKeyPair, port: int) -> None:
    folder.mkdir(mode=0o700)
    private = folder / "id_ed25519"
    private.touch(mode=0o600)
    private.write_text(login.private)
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host.public}\n")
    lines = [
        *(f"Host {NAME}", "HostName 127.0.0.1", f"Port {port}", "User root", f"IdentityFile {private}"),
        *("IdentitiesOnly yes", f"UserKnownHostsFile {folder / 'known_hosts'}", "StrictHostKeyChecking yes"),
        *("BatchMode yes", "ConnectTimeout 60"),
    ]
    (folder / "config").write_text("\n    ".join(lines) + "\n")


def _own(host: keys.SshKeyPair, login: keys.SshKeyPair) -> dict[str, etc.File]:
    """Returns this machine's own files in /etc."""
    network = f"[Match]\nName=e*\n[Network]\nAddress={_GUEST}/24\nGateway={_HOST}\nIPv6AcceptRA=no\n"
    return {
        "hostname": etc.File(f"{NAME}\n"),
        "hosts": etc.File(f"127.0.0.1 localhost {NAME}\n"),
        "machine-id": etc.File(f"{uuid.uuid4().hex}\n"),
        "systemd/network/05-vm.network": etc.File(network),
        "ssh/ssh_host_ed25519_key": etc.File(host.private, 0o600),
        "ssh/ssh_host_ed25519_key.pub": etc.File(f"{host.public}\n"),
        "ssh/authorized_keys.root": etc.File(f"{login.public}\n", 0o600),
    }


def _write_disk(image: Path, releases: kernels.KernelReleases, remote: str, own: dict[str, etc.File]) -> None:
    """Writes one ext4 over the whole disk, after a boot loader that reads it. Raises LabError."""
    with image.open("wb") as file:
        file.truncate(_DISK_MIB << 20)
    # extlinux reads neither 64-bit nor checksummed ext4.
    run("mkfs.ext4", "-q", "-F", "-O", "^64bit,^metadata_csum", "-L", "sysroot", image)
    mounted = image.with_suffix(".mounted")
    mounted.mkdir()
    run("mount", "-o", "loop", image, mounted)
    try:
        disk = Disk(mounted)
        deployment = disk.install(
            releases.repository,
            releases.commits[kernels.VERSIONS[0]],
            remote,
            syslinux=True,
            arguments=_KERNEL_ARGUMENTS,
        )
        etc.write(disk.deployment(deployment) / "etc", own)
        run("extlinux", "--install", disk.boot / "syslinux")
    finally:
        run("umount", mounted)
    mounted.rmdir()


def _command(folder: Path, port: int) -> list[str]:
    forward = f"user,id=n0,hostfwd=tcp:127.0.0.1:{port}-:22"
    return [
        *("qemu-system-x86_64", "-accel", "tcg,tb-size=256", "-cpu", "qemu64,-svm"),
        *("-machine", "pc,usb=off", "-m", str(_MEMORY_MIB), "-smp", "1"),
        *("-display", "none", "-nodefaults", "-serial", f"file:{folder / 'console.log'}"),
        *("-drive", f"file={folder / 'disk.img'},if=virtio,format=raw,cache=unsafe"),
        *("-netdev", forward, "-device", "virtio-net-pci,netdev=n0,romfile="),
        *("-device", "virtio-rng-pci"),
    ]


def main(folder: Path) -> int:
    """Runs the machine of this folder until it powers off, or until this process is ended."""
    config = msgspec.json.decode((folder / "vm.json").read_bytes(), type=_Config)
    child = subprocess.Popen(_command(folder, config.port), stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: child.kill())
    tied.tie(child.kill)
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
