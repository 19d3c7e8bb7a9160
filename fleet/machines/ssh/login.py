"""One ssh connection made by paramiko as the settings say: the way there, the host's key, the user's login."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import paramiko
from paramiko.agent import AgentKey

from fleet.core.text.environment import for_others
from fleet.machines.ssh.host_certificate import CERTIFICATE
from fleet.machines.ssh.host_keys import (
    SSH_PORT,
    KnownHostKeys,
    KnownHostsLine,
    UnknownKeyError,
    algorithms,
    judge,
    parse,
    revoked_keys,
)
from fleet.machines.ssh.keys import KeyAgent, Offers
from fleet.machines.ssh.metered import Metered
from fleet.machines.ssh.settings import SshSettings
from fleet.system.programs import end_group

FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
QUIET = "fleet.ssh-library"
"""A logger that tells nothing: the library writes a traceback for each connection that breaks, and raises it too."""
logging.getLogger(QUIET).addHandler(logging.NullHandler())
logging.getLogger(QUIET).propagate = False
SHOWN = 300
"""Most characters of what a ProxyCommand says."""


class LoginError(Exception):
    """The user was not let in, or cannot be as the settings are."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SshLine:
    """What an ssh connection runs over: a socket or a channel. Close it."""

    def __init__(
        self,
        way: Any,
        ip: str = "",
        process: subprocess.Popen[bytes] | None = None,
        said: IO[bytes] | None = None,
    ) -> None:
        """`ip`: of who is at its end, where that is known."""
        self.way = way
        self.ip = ip
        self._process, self._said = process, said

    @property
    def words(self) -> str:
        """What the command that makes it has to say."""
        if self._said is None:
            return ""
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - 4 * SHOWN))
        return self._said.read(4 * SHOWN)[-SHOWN:].decode("utf-8", "replace").strip()

    def close(self) -> None:
        self.way.close()
        if self._process is not None:
            end_group(self._process.pid)
            self._process.wait()
        if self._said is not None:
            self._said.close()


def dial(settings: SshSettings) -> SshLine:
    """To the first of the name's addresses that answers. Raises OSError, TimeoutError."""
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
        # With its zone, where it is one of a link: that is a part of the name in known_hosts.
        ip, _ = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
        return SshLine(found, ip)
    raise last


def proxied(command: str) -> SshLine:
    """Run as ssh runs a ProxyCommand: by the user's shell."""
    ours, theirs = socket.socketpair()
    said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the line
    shell = os.environ.get("SHELL") or "/bin/sh"
    try:
        process = subprocess.Popen(
            [shell, "-c", f"exec {command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=said,
            env=for_others(os.environ),
            start_new_session=True,
        )
    except OSError:
        ours.close()
        said.close()
        raise
    finally:
        theirs.close()
    return SshLine(ours, process=process, said=said)


def log_in(line: SshLine, settings: SshSettings) -> SshTransport:
    """Raises UnknownKeyError, LoginError, and what paramiko raises for a connection that breaks."""
    known = known_of(settings, line.ip)
    transport = SshTransport(line.way)
    try:
        transport.ask_for(settings, known)
        transport.banner_timeout = transport.auth_timeout = settings.connect_seconds
        with _library():
            transport.start_client(timeout=settings.connect_seconds)
        if not transport.initial_kex_done:
            raise TimeoutError
        with _library():
            judge(known, transport.shown, datetime.now(UTC))  # noqa: TID251 - a certificate's validity
        _authenticate(transport, settings)
    except BaseException as error:
        transport.close()
        if isinstance(error, (paramiko.SSHException, EOFError)) and line.words:
            raise paramiko.SSHException(
                f"{error or 'the connection ended'}: its ProxyCommand says: {line.words}"
            ) from None
        raise
    return transport


@contextlib.contextmanager
def _library() -> Iterator[None]:
    """paramiko hands on whatever its thread stumbled over in what the other side has sent."""
    try:
        yield
    except (paramiko.SSHException, OSError, EOFError, UnknownKeyError):
        raise
    except Exception as error:
        raise paramiko.SSHException(
            f"what it sends is not understood: {type(error).__name__}: {error}"
        ) from error


def known_of(settings: SshSettings, ip: str) -> KnownHostKeys:
    """From the files as they are now. Raises LoginError where RevokedHostKeys cannot be read: then ssh trusts nobody."""
    entries: list[KnownHostsLine] = []
    for each in settings.known_hosts:
        # A file that cannot be read says nothing, as for ssh.
        with contextlib.suppress(OSError):
            entries += parse(Path(each).read_text("utf-8", "replace"))
    revoked: tuple[bytes, ...] = ()
    if settings.revoked:
        try:
            revoked = revoked_keys(Path(settings.revoked).read_bytes())
        except (OSError, ValueError) as error:
            raise LoginError(f"RevokedHostKeys {settings.revoked}: {error}") from None
    name = settings.alias or settings.host.lower()
    looked_at = settings.check_ip and not ip.startswith("127.") and ip not in ("", "::1", name)
    return KnownHostKeys(
        tuple(entries),
        name,
        SSH_PORT if settings.alias else settings.port,
        ip if looked_at else "",
        settings.rsa_bits,
        settings.ca_algorithms,
        revoked,
        settings.host_notes,
    )


class SshTransport(paramiko.Transport):
    """Keeps the host key as it was shown on the wire: of a certificate the library keeps the bare key."""

    shown = b""

    def __init__(self, way: Any) -> None:
        """`way`: a socket or a channel, this object's alone from now on."""
        self._meter = Metered(way)
        super().__init__(self._meter)  # type: ignore[arg-type]
        self.set_log_channel(QUIET)

    def allow(self, count: int) -> None:
        """The other side may send so many bytes from now on."""
        self._meter.allow(count)

    def ask_for(self, settings: SshSettings, known: KnownHostKeys) -> None:
        """Raises LoginError where the library has none of the algorithms that are allowed."""
        can = self.get_security_options()
        keys = algorithms(known, settings.host_key_algorithms)
        plain = can.key_types
        self._host_keys = _common(
            "HostKeyAlgorithms", keys, (*plain, *(f"{each}{CERTIFICATE}" for each in plain))
        )
        can.kex = _common("KexAlgorithms", settings.kex_algorithms, can.kex)
        can.ciphers = _common("Ciphers", settings.ciphers, can.ciphers)
        can.digests = _common("MACs", settings.macs, can.digests)
        self._preferred_pubkeys = tuple(
            dict.fromkeys(each.removesuffix(CERTIFICATE) for each in settings.key_algorithms)
        )

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """The library would ask for certificates of all of them besides."""
        return self._host_keys

    def _verify_key(self, host_key: bytes, sig: bytes) -> None:
        if self.shown not in (b"", host_key):
            raise paramiko.SSHException("it shows another host key than at first")
        self.shown = host_key
        super()._verify_key(host_key, sig)  # type: ignore[misc]


def _common(keyword: str, wanted: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    found = tuple(each for each in wanted if each in known)
    if not found:
        raise LoginError(
            f"{keyword}: none of {', '.join(wanted) or 'those that are left'} is known to fleet",
            "allow one more",
        )
    return found


def _authenticate(transport: paramiko.Transport, settings: SshSettings) -> None:
    agent, why = _agent_at(settings.agent)
    keys: Sequence[AgentKey] = agent.get_keys() if agent is not None else ()
    offers = Offers(settings, keys)
    try:
        if _offer(transport, settings.user, offers):
            return
    finally:
        if agent is not None:
            agent.close()
    tried = f"tried {', '.join(offers.tried)}" if offers.tried else "there was none to try"
    passed = f"; passed over {', '.join(offers.passed)}" if offers.passed else ""
    others = f"; {' and '.join(settings.login_notes)} is not done by fleet" if settings.login_notes else ""
    raise LoginError(
        f"no key is accepted for {settings.user}: {tried}{passed}{why}{others}",
        "name the key with IdentityFile, or add it to the agent; with many keys say IdentitiesOnly yes",
    )


def _agent_at(path: str) -> tuple[KeyAgent | None, str]:
    """And why there is none, where there should be."""
    if not path:
        return None, ""
    try:
        return KeyAgent(path), ""
    except (OSError, paramiko.SSHException) as error:
        return None, f"; the agent at {path} does not answer ({error})"


def _offer(transport: paramiko.Transport, user: str, offers: Offers) -> bool:
    """True: one of them is accepted. Raises LoginError where keys are not enough, or the machine wants none."""
    attempt: Callable[[str, paramiko.PKey], list[str]] = transport.auth_publickey
    for key in offers:
        try:
            with _library():
                more = attempt(user, key)
        except paramiko.BadAuthenticationType as error:
            raise LoginError(
                f"it takes no keys, only {', '.join(error.allowed_types)}", "allow PubkeyAuthentication there"
            ) from None
        except paramiko.SSHException as error:
            refused = isinstance(error, paramiko.AuthenticationException)
            if refused and transport.is_active():
                continue
            if not transport.is_active():
                raise LoginError(
                    f"it ended the connection after {len(offers.tried)} keys: {error}",
                    "say IdentitiesOnly yes and one IdentityFile: a machine hears out a few keys alone",
                ) from None
            offers.passed.append(f"{offers.tried.pop()} ({error})")
            continue
        if "publickey" in more:
            continue
        if more:
            raise LoginError(
                f"beside a key it wants {', '.join(more)}",
                "fleet answers no questions: let this user in by a key alone",
            )
        return True
    return False
