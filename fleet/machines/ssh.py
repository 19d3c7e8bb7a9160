"""Commands on a machine over ssh (paramiko), by the user's own ssh configuration.

Host keys are checked against known_hosts, or a certificate authority there, and never added. Keys come from the
configuration, the agent and the usual files; jump hosts from ProxyJump. One connection a machine, kept alive, and made
anew when it broke.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import paramiko
from msgspec import Struct
from msgspec.structs import replace

from fleet.core.errors import AuthenticationError, UnreachableError, UsageError
from fleet.machines.host import LostError, Ran
from fleet.machines.hostkeys import KnownHosts, UnknownKeyError
from fleet.machines.os.family import MachineError

CONNECT_SECONDS = 20.0
ANSWER_SECONDS = 5.0
KEEPALIVE_SECONDS = 15
MOST = 16 * 1024 * 1024
"""Most bytes of a command's output."""
_JUMPS = 4
"""A jump host behind so many others is a circle."""


class Address(Struct, frozen=True):
    """Where a machine is. What is empty is looked up in the ssh configuration under `host`."""

    host: str
    user: str = ""
    port: int = 0

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        return f"{user}{self.host}{f':{self.port}' if self.port else ''}"


class Access(Struct, frozen=True):
    """How machines are reached. Paths may begin with `~`."""

    config: str = "~/.ssh/config"
    known_hosts: tuple[str, ...] = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
    """Where the configuration names no UserKnownHostsFile for a host."""
    identity: str = ""
    """A private key besides those of the configuration and the agent."""
    sudo: bool = True
    """Users other than root get their rights by `sudo -n`."""
    agent: bool = True


class Limit:
    """How many connections are being made, and commands run, at once."""

    def __init__(self, parallel: int = 32) -> None:
        self.slots = asyncio.Semaphore(parallel)


class Ssh:
    """The Host of one machine. Close it."""

    def __init__(self, address: Address, access: Access, limit: Limit) -> None:
        self._address = address
        self._access = access
        self._limit = limit
        self._client: paramiko.SSHClient | None = None
        self._jumps: list[paramiko.SSHClient] = []
        self._user = ""
        self._lock = threading.Lock()

    async def run(self, argv: Sequence[str], seconds: float = 60.0) -> Ran:
        """As Host. Raises AuthenticationError where no key is accepted, or the machine's own is not the known one."""
        async with self._limit.slots:
            return await asyncio.to_thread(self._run, tuple(argv), seconds)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _run(self, argv: tuple[str, ...], seconds: float) -> Ran:
        with self._lock:
            client = self._connected()
            command = line(argv, as_root=self._access.sudo and self._user != "root")
            try:
                code, out, err = _exec(client, command, seconds)
            except _TooLong:
                if not _answers(client):
                    self._close()
                    raise LostError(f"{self._address} does not answer on its connection any more") from None
                raise MachineError(f"{command[:200]}: has not ended after {seconds:.0f} s") from None
            except (paramiko.SSHException, OSError, EOFError) as error:
                self._close()
                raise LostError(
                    f"{self._address}: the connection broke: {error or type(error).__name__}"
                ) from None
        if code == -1:
            self._drop()
            raise LostError(f"{self._address}: the connection ended before the command did")
        if err.startswith("sudo: a password is required"):
            raise MachineError(
                f"{self._address}: sudo wants a password of {self._user}; give it NOPASSWD, or log in as root"
            )
        return Ran(argv, code, out, err)

    def _connected(self) -> paramiko.SSHClient:
        client = self._client
        transport = client.get_transport() if client is not None else None
        if client is not None and transport is not None and transport.is_active():
            return client
        self._close()
        self._client = self._connect(self._address, 0)
        return self._client

    def _connect(
        self, address: Address, depth: int, jumps: tuple[str, ...] | None = None
    ) -> paramiko.SSHClient:
        settings = self._settings(address)
        if jumps is not None:
            settings = replace(settings, jumps=jumps)
        if depth == 0:
            self._user = settings.user
        if depth > _JUMPS:
            raise UnreachableError(f"{address}: more than {_JUMPS} jump hosts, one behind the other")
        client = paramiko.SSHClient()
        sock = self._through(settings, depth)
        known = KnownHosts(tuple(Path(each).expanduser() for each in settings.known_hosts))
        client.set_missing_host_key_policy(known)
        with _told(address, settings):
            client.connect(
                settings.host,
                port=settings.port,
                username=settings.user,
                key_filename=[*settings.keys] or None,  # type: ignore[arg-type]
                sock=sock,
                timeout=CONNECT_SECONDS,
                banner_timeout=CONNECT_SECONDS,
                auth_timeout=CONNECT_SECONDS,
                allow_agent=self._access.agent,
                look_for_keys=not settings.keys,
                transport_factory=known.transport_factory(settings.host, settings.port),
            )
        transport = client.get_transport()
        if transport is not None:
            transport.set_keepalive(KEEPALIVE_SECONDS)
        if depth:
            self._jumps.append(client)
        return client

    def _through(self, settings: _Settings, depth: int) -> Any:
        """A channel through the jump host, if there is one; of several the last is the nearest to the machine."""
        if settings.command:
            return paramiko.ProxyCommand(settings.command)
        if not settings.jumps:
            return None
        via = self._connect(address_of(settings.jumps[-1]), depth + 1, settings.jumps[:-1] or None)
        transport = via.get_transport()
        if transport is None:
            raise UnreachableError(f"{settings.jumps[-1]}: its connection broke")
        with _told(self._address, settings):
            return transport.open_channel("direct-tcpip", (settings.host, settings.port), ("127.0.0.1", 0))

    def _settings(self, address: Address) -> _Settings:
        file = Path(self._access.config).expanduser()
        config = paramiko.SSHConfig.from_path(str(file)) if file.is_file() else paramiko.SSHConfig()
        found = config.lookup(address.host)
        jumps = found.get("proxyjump", "none")
        command = found.get("proxycommand", "none")
        own = [self._access.identity] if self._access.identity else []
        keys = [*own, *found.get("identityfile", [])]
        return _Settings(
            host=found.get("hostname", address.host),
            port=address.port or int(found.get("port", 22)),
            user=address.user or found.get("user", "") or _own_name(),
            keys=tuple(str(path) for each in keys if (path := Path(each).expanduser()).is_file()),
            jumps=() if jumps == "none" else tuple(jumps.split(",")),
            known_hosts=tuple(shlex.split(found.get("userknownhostsfile", ""))) or self._access.known_hosts,
            command="" if command == "none" or jumps != "none" else command,
        )

    def _drop(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        for client in (self._client, *reversed(self._jumps)):
            if client is not None:
                client.close()
        self._client = None
        self._jumps = []


class _Settings(Struct, frozen=True):
    host: str
    port: int
    user: str
    keys: tuple[str, ...] = ()
    jumps: tuple[str, ...] = ()
    command: str = ""
    known_hosts: tuple[str, ...] = ()


class _TooLong(Exception):
    """A command has not ended in its time."""


def address_of(text: str) -> Address:
    """Of `user@host:port`, as ProxyJump has it. Raises UsageError for what is no address."""
    user, _, place = text.strip().rpartition("@")
    host, colon, port = place.rpartition(":") if place.count(":") == 1 else (place, "", "")
    if not host or (colon and not port.isdigit()):
        raise UsageError(f"{text!r} is no ssh address", "such as core@n-1.example:22")
    return Address(host, user, int(port) if colon else 0)


def line(argv: Sequence[str], as_root: bool) -> str:
    """For the shell of the login: each argument is quoted."""
    return f"{'sudo -n -- ' if as_root else ''}{shlex.join(argv)}"


def _own_name() -> str:
    import getpass

    return getpass.getuser()


def _exec(client: paramiko.SSHClient, command: str, seconds: float) -> tuple[int, str, str]:
    """Reads both outputs as they come, so that neither stops the command. Exit code -1: there was none."""
    transport = client.get_transport()
    if transport is None:
        raise EOFError("no connection")
    channel = transport.open_session(timeout=CONNECT_SECONDS)
    try:
        channel.exec_command(command)
        channel.shutdown_write()
        out, err = bytearray(), bytearray()
        end = time.monotonic() + seconds
        changed = threading.Event()
        channel.in_buffer.set_event(changed)
        channel.in_stderr_buffer.set_event(changed)
        while True:
            while channel.recv_ready():
                out += channel.recv(65536)
            while channel.recv_stderr_ready():
                err += channel.recv_stderr(65536)
            over = channel.exit_status_ready() and channel.eof_received
            if over and not channel.recv_ready() and not channel.recv_stderr_ready():
                break
            if channel.closed or not transport.is_active():
                break
            if time.monotonic() > end:
                raise _TooLong
            if not changed.wait(0.05):
                continue
            if not (channel.recv_ready() or channel.recv_stderr_ready()):
                # Both buffers have ended: only the exit status is missing.
                channel.status_event.wait(0.05)
        code = channel.exit_status if channel.exit_status_ready() else -1
        return code, _text(out), _text(err)
    finally:
        channel.close()


def _answers(client: paramiko.SSHClient) -> bool:
    """The machine is there. A network that is cut ends no connection: only that nothing comes back any more tells."""
    transport = client.get_transport()
    if transport is None:
        return False
    try:
        transport.open_session(timeout=ANSWER_SECONDS).close()
    except paramiko.ChannelException:
        return True
    except (paramiko.SSHException, OSError, EOFError):
        return False
    return True


def _text(data: bytearray) -> str:
    return bytes(data[-MOST:]).decode("utf-8", "replace")


@contextlib.contextmanager
def _told(address: Address, settings: _Settings) -> Iterator[None]:
    """The library's errors, as ours, with what to do."""
    where = f"{address} ({settings.user}@{settings.host}:{settings.port})"
    try:
        yield
    except UnknownKeyError as error:
        raise AuthenticationError(f"{where}: {error}", error.hint) from None
    except paramiko.BadHostKeyException as error:
        raise AuthenticationError(
            f"{where}: its host key is not the known one ({error.key.get_name()})",
            "somebody else answers there, or the machine was installed anew: look, then ssh-keygen -R it",
        ) from None
    except paramiko.AuthenticationException as error:
        tried = ", ".join(settings.keys) or "the agent's keys and ~/.ssh/id_*"
        raise AuthenticationError(f"{where}: no key is accepted ({error}); tried {tried}") from None
    except TimeoutError:
        raise UnreachableError(f"{where}: no answer within {CONNECT_SECONDS:.0f} s") from None
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise UnreachableError(f"{where}: {error or type(error).__name__}") from None
