"""A real ssh server (Debian's openssh-server) on this machine, with keys of its own, for one test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from getpass import getuser
from pathlib import Path

import pytest

from fleet.machines.access import SshAccess, SshAddress
from fleet.machines.ssh.host import Limit, Ssh

PROGRAM = "/usr/sbin/sshd"


class Sshd:
    def __init__(self, folder: Path, more: str = "", host_key: Path | None = None) -> None:
        self.folder = folder
        self.port = _free_port()
        self.user_key = folder / "id"
        self.host_key = host_key or folder / "host"
        self.known_hosts = folder / "known_hosts"
        self._more = more
        for key in (self.user_key, self.host_key):
            if not key.exists():
                _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(key))
        (folder / "authorized").write_text(self.user_key.with_suffix(".pub").read_text())
        self.know(self.host_key)
        self.configure()
        self._process: subprocess.Popen[bytes] | None = None
        self._silent: tuple[int, ...] = ()

    def know(self, key: Path) -> None:
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {key.with_suffix('.pub').read_text()}")

    def configure(self, text: str = "", agent: str = "none") -> None:
        """An ssh_config(5): this, and behind it what keeps the user's own files out."""
        rest = f"Host *\n  UserKnownHostsFile {self.known_hosts}\n  GlobalKnownHostsFile none\n  IdentityAgent {agent}\n"
        (self.folder / "config").write_text(text + rest)

    def start(self) -> None:
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        config = self.folder / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {self.host_key}\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.folder}/authorized\nStrictModes no\nPasswordAuthentication no\n"
            f"PermitRootLogin prohibit-password\nMaxStartups 100\n{self._more}"
        )
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, "-D", "-e", "-f", str(config)], stderr=log)
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "sshd does not answer"

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def fall_silent(self) -> None:
        """Connections stay open without an answer."""
        assert self._process is not None
        self._silent = tuple(_family(self._process.pid))
        for pid in self._silent:
            os.kill(pid, signal.SIGSTOP)

    def wake(self) -> None:
        for pid in self._silent:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._silent = ()

    def access(self, **changes: object) -> SshAccess:
        options: dict[str, object] = {
            "config": str(self.folder / "config"),
            "identity": str(self.user_key),
            "sudo": False,
        }
        return SshAccess(**{**options, **changes})  # type: ignore[arg-type]

    def host(self, access: SshAccess | None = None, name: str = "127.0.0.1") -> Ssh:
        port = self.port if name == "127.0.0.1" else 0
        return Ssh(SshAddress(name, getuser(), port), access or self.access(), Limit())

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as answer:
                return answer.recv(4) == b"SSH-"
        except OSError:
            return False


@contextmanager
def sshd(folder: Path, more: str = "", host_key: Path | None = None) -> Iterator[Sshd]:
    """Skips where there is no sshd, unless CI is set."""
    if shutil.which(PROGRAM) is None:
        assert not os.environ.get("CI"), "openssh-server is not installed"
        pytest.skip("openssh-server is not installed")
    server = Sshd(folder, more, host_key)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from _family(int(child))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)
