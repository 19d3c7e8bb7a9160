"""The line that an ssh connection runs over: a socket to the machine, or a ProxyCommand."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from typing import IO, Any

from fleet.core.text.environment import for_others
from fleet.machines.ssh.configuration.settings import SshSettings
from fleet.system.programs import end_group

FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
SHOWN = 300
"""The most characters of a ProxyCommand's messages that are kept."""


class SshLine:
    """The line of an ssh connection: a socket or a channel. Must be closed."""

    def __init__(
        self,
        way: Any,
        ip: str = "",
        process: subprocess.Popen[bytes] | None = None,
        stderr: IO[bytes] | None = None,
    ) -> None:
        """Makes a line. `ip` is the address of its other end, where that is known."""
        self.stream = way
        self.ip = ip
        self._process, self._stderr = process, stderr

    @property
    def stderr(self) -> str:
        """Returns the end of what the ProxyCommand wrote to standard error, at most SHOWN characters."""
        if self._stderr is None:
            return ""
        self._stderr.seek(max(0, self._stderr.seek(0, os.SEEK_END) - 4 * SHOWN))
        return self._stderr.read(4 * SHOWN)[-SHOWN:].decode("utf-8", "replace").strip()

    def close(self) -> None:
        self.stream.close()
        if self._process is not None:
            end_group(self._process.pid)
            self._process.wait()
        if self._stderr is not None:
            self._stderr.close()


def dial(settings: SshSettings) -> SshLine:
    """Connects to the first of the name's addresses that answers. Raises OSError and TimeoutError."""
    last: OSError = OSError(f"{settings.host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        settings.host, settings.port, FAMILIES[settings.family], socket.SOCK_STREAM
    ):
        found = socket.socket(family, kind, protocol)
        try:
            found.settimeout(settings.connect_seconds)
            if settings.bind:
                found.bind((settings.bind, 0))
            found.connect(address)
        except OSError as error:
            found.close()
            last = error
            continue
        # A link-local address keeps its zone, which is a part of the name in known_hosts.
        ip, _ = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
        return SshLine(found, ip)
    raise last


def proxied(command: str) -> SshLine:
    """Starts a ProxyCommand by the user's shell, as ssh does. Raises OSError."""
    ours, theirs = socket.socketpair()
    stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the line
    shell = os.environ.get("SHELL") or "/bin/sh"
    try:
        process = subprocess.Popen(
            [shell, "-c", f"exec {command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=stderr,
            env=for_others(os.environ),
            start_new_session=True,
        )
    except OSError:
        ours.close()
        stderr.close()
        raise
    finally:
        theirs.close()
    return SshLine(ours, process=process, stderr=stderr)
