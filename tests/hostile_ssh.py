"""ssh servers of healthy hosts and of hostile ones: each kind misbehaves at another point of a connection. They
answer on the loopback network, run nothing, and send nothing that would harm another ssh client.

They answer on the loopback network, run nothing, and send nothing that would harm another ssh client.
"""

from __future__ import annotations

import contextlib
import itertools
import shlex
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from getpass import getuser
from pathlib import Path

import paramiko
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from fleet.machines.host import CommandResult

Answers = Callable[[Sequence[str]], CommandResult | None]
"""What a command prints; None: the connection ends."""
KINDS = (
    "silent",
    "hangs up",
    "garbage",
    "greets for ever",
    "greets at length",
    "greets by the byte",
    "a packet without end",
    "no answer to a command",
    "prints for ever",
    "ends no command",
    "prints garbage",
)
"""Kinds of hosts that are not well."""
GREETING = b"SSH-2.0-hostile\r\n"


class SshHost:
    """One host. `kind`: one of KINDS; empty: it is healthy and answers by `answers`. `garbage`: what it prints, one
    after another, where its kind does so."""

    def __init__(
        self, kind: str, key: paramiko.PKey, answers: Answers, garbage: Sequence[bytes] = (b"",)
    ) -> None:
        self.kind = kind
        self._key = key
        self._answers = answers
        self._garbage = itertools.cycle(garbage)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.over = threading.Event()
        """Nobody is served any more."""
        self._open: list[socket.socket | paramiko.Transport] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self.over.set()
        # A thread that waits for a connection is woken by nothing else.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            each.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                way, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(way)
            thread = threading.Thread(target=self._serve, args=(way,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, way: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            match self.kind:
                case "silent":
                    self.over.wait()
                case "hangs up":
                    way.close()
                case "garbage":
                    way.sendall(bytes(range(256)) * 64)
                    self.over.wait()
                case "greets for ever":
                    while not self.over.is_set():
                        way.sendall(b"x" * 65536)
                case "greets at length":
                    way.sendall((b"y" * 9000 + b"\n") * 100)
                    self.over.wait()
                case "greets by the byte":
                    while not self.over.wait(0.05):
                        way.sendall(b"x")
                case "a packet without end":
                    way.sendall(GREETING + ((1 << 30) + 4).to_bytes(4) + b"\0" * 65536)
                    while not self.over.is_set():
                        way.sendall(b"\0" * 65536)
                case _:
                    self._log_in(way)

    def _log_in(self, way: socket.socket) -> None:
        transport = paramiko.Transport(way)
        self._open.append(transport)
        transport.add_server_key(self._key)
        transport.start_server(server=_Server(self))
        while transport.is_active() and not self.over.is_set():
            channel = transport.accept(0.5)
            if channel is not None:
                self._open.append(channel)  # type: ignore[arg-type]

    def ran(self, channel: paramiko.Channel, command: str) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            # The other side has heard that the command has begun: it ends its input then.
            channel.recv(1)
            match self.kind:
                case "prints for ever":
                    while not self.over.is_set():
                        channel.sendall(b"x" * 32768)
                case "ends no command":
                    self.over.wait()
                case "prints garbage":
                    channel.sendall(next(self._garbage))
                    channel.send_exit_status(0)
                case _:
                    ran = self._answers(shlex.split(command))
                    if ran is None:
                        channel.get_transport().close()
                        return
                    channel.sendall(ran.stdout.encode())
                    channel.sendall_stderr(ran.stderr.encode())
                    channel.send_exit_status(ran.code)
            channel.close()


class _Server(paramiko.ServerInterface):
    def __init__(self, host: SshHost) -> None:
        self._host = host

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        if self._host.kind == "no answer to a command":
            self._host.over.wait()
        threading.Thread(target=self._host.ran, args=(channel, command.decode()), daemon=True).start()
        return True


@contextlib.contextmanager
def hosts(
    folder: Path,
    kinds: Sequence[str],
    answers: Sequence[Answers],
    garbage: Sequence[bytes] = (b"",),
    connect_seconds: int = 2,
) -> Iterator[Path]:
    """An ssh configuration that reaches them as n-0, n-1, ...: `kinds` and `answers` of each."""
    key, own = paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate()
    own.write_private_key_file(str(folder / "id"))
    (folder / "id.pub").write_text(f"{own.get_name()} {own.get_base64()}\n")
    (folder / "known").write_text(f"* {key.get_name()} {key.get_base64()}\n")
    found: list[SshHost] = []
    try:
        for kind, answer in zip(kinds, answers, strict=True):
            found.append(SshHost(kind, key, answer, garbage))
        config = folder / "config"
        parts = [
            f"Host n-{index}\n  HostName 127.0.0.1\n  Port {host.port}\n" for index, host in enumerate(found)
        ]
        parts.append(
            f"Host *\n  User {getuser()}\n  IdentityFile {folder / 'id'}\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {folder / 'known'}\n  GlobalKnownHostsFile none\n"
            f"  ConnectTimeout {connect_seconds}\n"
        )
        config.write_text("".join(parts))
        yield config
    finally:
        for host in found:
            host.close()
