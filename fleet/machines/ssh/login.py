"""Opens one ssh connection by paramiko according to the settings: the line, the host's key, the user's login."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import paramiko
from paramiko.agent import AgentKey

from fleet.machines.ssh.configuration.settings import SshSettings
from fleet.machines.ssh.host_keys import (
    SSH_PORT,
    KnownHostKeys,
    KnownHostsLine,
    UnknownKeyError,
    judge,
    parse,
    revoked_keys,
)
from fleet.machines.ssh.keys import KeyAgent, Offers
from fleet.machines.ssh.line import SshLine
from fleet.machines.ssh.transport import LoginError, SshTransport


def log_in(line: SshLine, settings: SshSettings) -> SshTransport:
    """Logs the user in over an open line and returns the transport.

    Raises UnknownKeyError, LoginError, and the errors that paramiko raises for a connection that breaks.
    """
    known = known_of(settings, line.ip)
    transport = SshTransport(line.stream)
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
        if isinstance(error, (paramiko.SSHException, EOFError)) and line.stderr:
            raise paramiko.SSHException(
                f"{error or 'the connection ended'}: its ProxyCommand reports: {line.stderr}"
            ) from None
        raise
    return transport


@contextlib.contextmanager
def _library() -> Iterator[None]:
    """Converts unexpected errors: paramiko passes on whatever its thread raised for data from the other side."""
    try:
        yield
    except (paramiko.SSHException, OSError, EOFError, UnknownKeyError):
        raise
    except Exception as error:
        raise paramiko.SSHException(
            f"its answer is not understood: {type(error).__name__}: {error}"
        ) from error


def known_of(settings: SshSettings, ip: str) -> KnownHostKeys:
    """Returns the known host keys, from the current files.

    Raises LoginError where RevokedHostKeys cannot be read: ssh then trusts no host.
    """
    entries: list[KnownHostsLine] = []
    for path in settings.known_hosts:
        # A file that cannot be read counts as empty, as for ssh.
        with contextlib.suppress(OSError):
            entries += parse(Path(path).read_text("utf-8", "replace"))
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
    tried = f"tried {', '.join(offers.tried)}" if offers.tried else "there was no key to try"
    passed = f"; passed over {', '.join(offers.passed)}" if offers.passed else ""
    others = (
        f"; {' and '.join(settings.login_notes)} is not supported by fleet" if settings.login_notes else ""
    )
    raise LoginError(
        f"no key is accepted for {settings.user}: {tried}{passed}{why}{others}",
        "set the key with IdentityFile, or add it to the agent; with many keys set IdentitiesOnly yes",
    )


def _agent_at(path: str) -> tuple[KeyAgent | None, str]:
    """Returns the agent, and why there is none where there should be one."""
    if not path:
        return None, ""
    try:
        return KeyAgent(path), ""
    except (OSError, paramiko.SSHException) as error:
        return None, f"; the agent at {path} does not answer ({error})"


def _offer(transport: paramiko.Transport, user: str, offers: Offers) -> bool:
    """Offers the keys and returns True once one is accepted. Raises LoginError where keys are not enough, or the
    machine accepts none."""
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
                    "set IdentitiesOnly yes and one IdentityFile: a machine accepts only a few attempts",
                ) from None
            offers.passed.append(f"{offers.tried.pop()} ({error})")
            continue
        if "publickey" in more:
            continue
        if more:
            raise LoginError(
                f"besides a key it requires {', '.join(more)}",
                "fleet cannot answer prompts: let this user log in with a key alone",
            )
        return True
    return False
