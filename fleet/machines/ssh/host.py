"""Commands on a machine over ssh: reached as OpenSSH would reach it (`configuration`), by a connection of paramiko's.

Host keys are verified as OpenSSH verifies them (`host_keys`), and never added. Each machine has one connection, which
is kept alive, and opened again after it broke.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import paramiko

from fleet.core.objects.machine import MESSAGE_MOST
from fleet.core.records.errors import AuthenticationError, UnreachableError
from fleet.machines import redaction
from fleet.machines.access import SshAccess, SshAddress, address_of
from fleet.machines.errors import MachineError
from fleet.machines.host import MOST, SHOWN, CommandResult, LostError
from fleet.machines.ssh.configuration.openssh import read_settings
from fleet.machines.ssh.configuration.settings import SshSettings
from fleet.machines.ssh.host_keys import UnknownKeyError
from fleet.machines.ssh.line import SshLine, dial, proxied
from fleet.machines.ssh.login import log_in
from fleet.machines.ssh.metered import COMMAND_MOST, GREETING_MOST
from fleet.machines.ssh.transport import LoginError, SshTransport

OPEN_SECONDS = 20.0
"""Seconds to open a channel on a connection."""
ANSWER_SECONDS = 5.0
BEHIND_MOST = 16 * 1024 * 1024
"""The most bytes of a command's output that have arrived and were not read yet. The window has two MiB (RFC 4254,
section 5.2)."""
JUMPS = 8
"""The most jump hosts behind one another; more of them are a circle."""

T = TypeVar("T")


class Limit:
    """Limits on how many machines something runs at once: `parallel`. Machines that did not answer the last time share
    half of these places, so that a healthy machine never waits behind more of them than that."""

    def __init__(self, parallel: int = 32) -> None:
        self._places = asyncio.Semaphore(parallel)
        self._doubtful = asyncio.Semaphore(max(1, parallel // 2))
        # asyncio's own pool has few threads on a computer with few processors, and other code needs them.
        self._threads = ThreadPoolExecutor(parallel, "ssh")

    @contextlib.asynccontextmanager
    async def place(self, doubtful: bool) -> AsyncIterator[None]:
        """Waits for a place and holds it. `doubtful`: the machine did not answer the last time."""
        async with contextlib.AsyncExitStack() as stack:
            if doubtful:
                await stack.enter_async_context(self._doubtful)
            await stack.enter_async_context(self._places)
            yield

    async def run(self, doubtful: bool, call: Callable[[], T]) -> T:
        """Calls a blocking function in a thread, once there is a place."""
        async with self.place(doubtful):
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)


class Ssh:
    """The Host of one machine over ssh. Must be closed."""

    def __init__(self, address: SshAddress, access: SshAccess, limit: Limit) -> None:
        self._address = address
        self._access = access
        self._limit = limit
        self._transport: SshTransport | None = None
        self._under: list[SshTransport | SshLine] = []
        """The transports of jump hosts, and connections, that the connection runs over."""
        self._user = ""
        self._lock = threading.Lock()
        self._turn = asyncio.Lock()
        """Held while a command runs, one at a time: commands that wait for it take no place of the limit."""
        self._doubtful = False
        """True if the last command failed because the machine was not reached, or the command did not end in time."""

    async def run(self, argv: Sequence[str], seconds: float = 60.0) -> CommandResult:
        """Runs a command as `Host.run` does. Raises AuthenticationError where no key is accepted, or the machine's own
        key is not the known one, and UsageError where the configuration wants what fleet does not support."""
        async with self._turn:
            try:
                ran = await self._limit.run(self._doubtful, lambda: self._run(tuple(argv), seconds))
            except (UnreachableError, MachineError):
                self._doubtful = True
                raise
            self._doubtful = False
            return ran

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _run(self, argv: tuple[str, ...], seconds: float) -> CommandResult:
        with self._lock:
            transport = self._connected()
            command = line(argv, as_root=self._access.sudo and self._user != "root")
            try:
                code, out, err = _exec(transport, command, seconds)
            except _TooLong:
                if not _answers(transport):
                    self._close()
                    raise LostError(f"{self._address} does not answer on its connection any more") from None
                raise MachineError(
                    f"{redaction.redact(command)[:200]}: has not ended after {seconds:.0f} s"
                ) from None
            except _TooMuch:
                self._close()
                raise MachineError(f"{self._address}: it sends more at once than allowed") from None
            except (paramiko.SSHException, OSError, EOFError) as error:
                self._close()
                raise LostError(f"{self._address}: the connection failed: {_brief(error)}") from None
            except Exception:
                # An error of fleet or of the library: the state of the connection is unknown.
                self._close()
                raise
        if code == -1:
            why = transport.get_exception()
            self._drop()
            cause = f": {_brief(why)}" if why is not None else ""
            raise LostError(f"{self._address}: the connection ended before the command did{cause}")
        if err.startswith("sudo: a password is required"):
            raise MachineError(
                f"{self._address}: sudo asks for a password of {self._user}; give it NOPASSWD, or log in as root"
            )
        return CommandResult(argv, code, out, err)

    def _connected(self) -> SshTransport:
        if self._transport is not None and self._transport.is_active():
            return self._transport
        self._close()
        settings = read_settings(self._address, self._access)
        self._user = settings.user
        try:
            self._transport = self._connect(self._address, settings, 0)
        except BaseException:
            self._close()
            raise
        return self._transport

    def _connect(self, address: SshAddress, settings: SshSettings, depth: int) -> SshTransport:
        if depth > JUMPS:
            raise UnreachableError(f"{address}: more than {JUMPS} jump hosts, one behind the other")
        line = self._through(settings, depth)
        with _translated_errors(address, settings):
            if line is None:
                line = dial(settings)
            self._under.append(line)
            transport = log_in(line, settings)
        self._under.append(transport)
        transport.set_keepalive(settings.alive_seconds)
        return transport

    def _through(self, settings: SshSettings, depth: int) -> SshLine | None:
        """Returns the line through the configured command, or through the nearest jump host, which may be behind
        others. None: the connection is direct."""
        if settings.command:
            with _translated_errors(self._address, settings):
                return proxied(settings.command)
        if not settings.jumps:
            return None
        *further, nearest = settings.jumps
        jump = address_of(nearest)
        via = self._connect(jump, read_settings(jump, self._access, further), depth + 1)
        with _translated_errors(self._address, settings):
            channel = via.open_channel(
                "direct-tcpip",
                (settings.host, settings.port),
                ("127.0.0.1", 0),
                timeout=settings.connect_seconds,
            )
        return SshLine(channel)

    def _drop(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        for each in reversed(self._under):
            each.close()
        self._transport = None
        self._under = []


class _TooLong(Exception):
    """Raised where a command has not ended in its time."""


class _TooMuch(Exception):
    """Raised where more data has arrived than the window of the channel allows."""


def line(argv: Sequence[str], as_root: bool) -> str:
    """Returns a command line for the login shell, each argument quoted."""
    return f"{'sudo -n -- ' if as_root else ''}{shlex.join(argv)}"


def _exec(transport: SshTransport, command: str, seconds: float) -> tuple[int, str, str]:
    """Runs the command and returns its exit code (-1: there was none), standard output and error."""
    transport.allow(COMMAND_MOST)
    channel = transport.open_session(timeout=OPEN_SECONDS)
    late = threading.Event()

    def end() -> None:
        late.set()
        channel.close()

    # The library has no time limit for the reply that the command has started.
    clock = threading.Timer(seconds, end)
    clock.daemon = True
    clock.start()
    try:
        channel.exec_command(command)
        channel.shutdown_write()
        out, err = _read(transport, channel)
        if late.is_set():
            raise _TooLong
        return channel.exit_status if channel.exit_status_ready() else -1, _text(out), _text(err)
    except (paramiko.SSHException, OSError):
        if late.is_set():
            raise _TooLong from None
        raise
    finally:
        clock.cancel()
        channel.close()
        transport.allow(GREETING_MOST)


def _read(transport: SshTransport, channel: paramiko.Channel) -> tuple[bytearray, bytearray]:
    """Returns both outputs, which are read as they arrive, so that neither blocks the command, until the command or
    the connection has ended."""
    out, err = bytearray(), bytearray()
    changed = threading.Event()
    channel.in_buffer.set_event(changed)
    channel.in_stderr_buffer.set_event(changed)
    while True:
        while channel.recv_ready():
            out += channel.recv(65536)
            del out[:-MOST]
        while channel.recv_stderr_ready():
            err += channel.recv_stderr(65536)
            del err[:-MOST]
        over = channel.exit_status_ready() and channel.eof_received
        if over and not channel.recv_ready() and not channel.recv_stderr_ready():
            break
        if channel.closed or not transport.is_active():
            break
        if len(channel.in_buffer) + len(channel.in_stderr_buffer) > BEHIND_MOST:
            raise _TooMuch
        if not changed.wait(0.05):
            continue
        if not (channel.recv_ready() or channel.recv_stderr_ready()):
            # Both outputs have ended: only the exit status is missing.
            channel.status_event.wait(0.05)
    return out, err


def _answers(transport: paramiko.Transport) -> bool:
    """Returns whether the machine answers. A network that is cut closes no connection: only a missing answer shows the
    cut."""
    try:
        transport.open_session(timeout=ANSWER_SECONDS).close()
    except paramiko.ChannelException:
        return True
    except (paramiko.SSHException, OSError, EOFError):
        return False
    return True


def _text(data: bytearray) -> str:
    return data.decode("utf-8", "replace")


def _brief(error: Exception, most: int = SHOWN) -> str:
    """Returns the error shortened: the library quotes what the other side has sent."""
    return str(error)[:most] or type(error).__name__


@contextlib.contextmanager
def _translated_errors(address: SshAddress, settings: SshSettings) -> Iterator[None]:
    """Converts errors of the library to fleet's, with the remedy."""
    where = f"{address} ({settings.user}@{settings.host}:{settings.port})"
    try:
        yield
    except (UnknownKeyError, LoginError) as error:
        raise AuthenticationError(f"{where}: {_brief(error, MESSAGE_MOST)}", error.hint) from None
    except TimeoutError:
        raise UnreachableError(f"{where}: no answer within {settings.connect_seconds:.0f} s") from None
    except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
        raise UnreachableError(f"{where}: {_brief(error)}") from None
