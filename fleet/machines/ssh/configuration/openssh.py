"""Reads the user's configuration through OpenSSH on this machine: `ssh -G`, which reads it as ssh would and does not
connect. Without OpenSSH, `plain_config` reads plain settings and refuses all others.

ssh runs the commands of `Match exec`, and asks the resolver where names are made canonical, so the call is bounded in
time and output.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fleet.core.records.errors import UsageError
from fleet.core.text.environment import for_others
from fleet.core.text.paths import expanded
from fleet.machines.access import SshAccess, SshAddress
from fleet.machines.ssh.configuration import plain_config
from fleet.machines.ssh.configuration.settings import Here, Printed, SshSettings, printed, settings, unknown
from fleet.system import programs
from fleet.system.programs import first

PROGRAM = "ssh"
SECONDS = 20.0
MOST = 1024 * 1024
"""The most bytes of the output that are read."""
DIGEST = ("-o", "ControlPath=/%C")
"""Options that have ssh print the value of the token %C. No connection is shared."""


def here() -> Here:
    """Returns the user and home of this process. Raises UsageError where the password file does not have this user:
    ssh itself refuses such a user."""
    try:
        person = pwd.getpwuid(os.getuid())
    except KeyError:
        raise UsageError(
            f"the password file has no user {os.getuid()}",
            "run fleet as a user with a name: ssh refuses others",
        ) from None
    return Here(person.pw_dir, person.pw_name, person.pw_uid, socket.gethostname(), dict(os.environ))


def read_settings(address: SshAddress, access: SshAccess, jumps: Sequence[str] = ()) -> SshSettings:
    """Returns the settings for this machine. `jumps` precede those of the machine's own configuration, as with `ssh
    -J`.

    For a thread without an event loop. Raises UsageError, with ssh's own message where it refuses the configuration,
    and where the configuration wants what fleet does not support.
    """
    me = here()
    if access.config:
        existing(access.config)
    if access.identity and not expanded(access.identity).is_file():
        raise UsageError(f"{access.identity}: this key does not exist")
    if shutil.which(PROGRAM) is None:
        return settings(plain_config.read(address, access, jumps, me), me)
    with named(access, me) as options:
        printed_for_host = printed(_run([*options, *_options(address, access, jumps), "--", address.host]))
    unknown_keywords = unknown(printed_for_host, Printed({}))
    if unknown_keywords:
        unknown_keywords = unknown(printed_for_host, printed(_run(["-F", "none", "--", address.host])))
    return settings(printed_for_host, me, unknown_keywords)


@contextmanager
def named(access: SshAccess, me: Here) -> Iterator[list[str]]:
    """Yields the arguments that have ssh read the right files; none where ssh reads them by default."""
    if access.config:
        yield ["-F", str(existing(access.config))]
    elif elsewhere(me) is None:
        yield []
    else:
        with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
            file = Path(folder) / "config"
            file.write_text(text(access, me))
            yield ["-F", str(file)]


def existing(config: str) -> Path:
    """Returns the path of a file. Raises UsageError where the file is missing: ssh would not connect either."""
    file = expanded(config)
    if not file.is_file():
        raise UsageError(f"{file}: this ssh configuration does not exist")
    return file


def elsewhere(me: Here) -> Path | None:
    """Returns the .ssh of HOME, where HOME is another folder than the home in the password file, in which alone ssh
    would look."""
    home = Path(me.environment.get("HOME") or me.home)
    return None if home.resolve() == Path(me.home).resolve() else home / ".ssh"


def text(access: SshAccess, me: Here, first: Sequence[str] = ()) -> str:
    """Returns an ssh_config(5) that reads the files of `access`, or the user's own and the system's; `first` overrides
    both.

    Raises UsageError where these files include others by names that ssh would resolve differently from here.
    """
    own = elsewhere(me)
    if access.config:
        files = [existing(access.config)]
    else:
        files = [(own or Path(me.home, ".ssh")) / "config", plain_config.SYSTEM]
        for file in files if own is not None else files[1:]:
            _refuse_moved(file)
    lines = [*first, *(f'Include "{file}"' for file in files)]
    if own is not None and not access.config:
        lines += ["Host *", f'UserKnownHostsFile "{own / "known_hosts"}" "{own / "known_hosts2"}"']
    return "\n".join(lines) + "\n"


def _refuse_moved(file: Path) -> None:
    """Raises UsageError where the file includes others by relative names: ssh resolves these in the .ssh of the
    password file's home."""
    for number, line in plain_config.lines(file):
        moved = [word for word in line[1:] if not word.startswith("/")]
        if line[0].lower() == "include" and moved:
            raise UsageError(
                f"{file}:{number}: Include {' '.join(moved)} is resolved in another folder than expected",
                "write absolute paths: HOME is not the home in the password file, or ssh is run by ansible",
            )


def _options(address: SshAddress, access: SshAccess, jumps: Sequence[str]) -> list[str]:
    options = ["-l", address.user] if address.user else []
    options += ["-p", str(address.port)] if address.port else []
    options += ["-J", ",".join(jumps)] if jumps else []
    options += ["-i", str(expanded(access.identity))] if access.identity else []
    return options


def _run(arguments: Sequence[str]) -> str:
    """Returns the output of `ssh -G`. Raises UsageError with ssh's message where it refuses, hangs, or does not stop
    printing."""
    argv = [PROGRAM, "-G", "-T", *DIGEST, *arguments]
    who = f"ssh -G {arguments[-1]}"
    try:
        ended = asyncio.run(programs.run(argv, for_others(os.environ), SECONDS, first(MOST + 1)))
    except TimeoutError:
        raise UsageError(
            f"{who}: has not ended within {SECONDS:.0f} s",
            "check Match exec and CanonicalizeHostname there",
        ) from None
    if ended.code != 0 or len(ended.out) > MOST:
        message = ended.err[-600:].decode("utf-8", "replace").strip() or f"exit {ended.code}"
        raise UsageError(f"{who}: {message}", "ssh itself does not accept this configuration")
    return ended.out.decode("utf-8", "replace")
