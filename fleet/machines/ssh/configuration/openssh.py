"""What OpenSSH on this machine makes of the user's configuration: `ssh -G`, which reads it as ssh would and connects to
nothing. Where there is no OpenSSH, `plainconfig` reads what is plain, and refuses the rest.

ssh runs what `Match exec` names, and asks the resolver where names are made canonical, so it is bounded in time and output.
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
"""Most bytes that are read of what it prints."""
DIGEST = ("-o", "ControlPath=/%C")
"""No connection is shared; this has ssh say what the token %C stands for."""


def here() -> Here:
    """Raises UsageError where the password file does not know this user: ssh itself works for nobody else."""
    try:
        person = pwd.getpwuid(os.getuid())
    except KeyError:
        raise UsageError(
            f"the password file has no user {os.getuid()}",
            "run it as one that has a name: ssh works for no other",
        ) from None
    return Here(person.pw_dir, person.pw_name, person.pw_uid, socket.gethostname(), dict(os.environ))


def asked(address: SshAddress, access: SshAccess, jumps: Sequence[str] = ()) -> SshSettings:
    """Returns how this machine is reached. `jumps` come before those of the machine's own configuration, as of `ssh -J`.

    For a thread without an event loop. Raises UsageError, with ssh's own words where it refuses the configuration, and
    where it wants what fleet does not do.
    """
    me = here()
    if access.config:
        existing(access.config)
    if access.identity and not expanded(access.identity).is_file():
        raise UsageError(f"{access.identity}: there is no such key")
    if shutil.which(PROGRAM) is None:
        return settings(plain_config.read(address, access, jumps, me), me)
    with named(access, me) as words:
        told = printed(_run([*words, *_words(address, access, jumps), "--", address.host]))
    heard = unknown(told, Printed({}))
    if heard:
        heard = unknown(told, printed(_run(["-F", "none", "--", address.host])))
    return settings(told, me, heard)


@contextmanager
def named(access: SshAccess, me: Here) -> Iterator[list[str]]:
    """The words that have ssh read what it should; none where it does so by itself."""
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
        raise UsageError(f"{file}: there is no such ssh configuration")
    return file


def elsewhere(me: Here) -> Path | None:
    """Returns the .ssh of HOME, where that is another folder than the password file's, which alone ssh would read."""
    home = Path(me.environment.get("HOME") or me.home)
    return None if home.resolve() == Path(me.home).resolve() else home / ".ssh"


def text(access: SshAccess, me: Here, first: Sequence[str] = ()) -> str:
    """Returns an ssh_config(5) that reads what `access` names, or the user's own and the system's; `first` overrides both.

    Raises UsageError where these files include others by names that ssh would look up elsewhere from here.
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
    """Where ssh reads a file by another one, it looks for relative names in the .ssh of the password file's home."""
    for number, words in plain_config.lines(file):
        moved = [each for each in words[1:] if not each.startswith("/")]
        if words[0].lower() == "include" and moved:
            raise UsageError(
                f"{file}:{number}: Include {' '.join(moved)} is looked for in another folder than it seems",
                "write whole paths, from / on: HOME is not the home of the password file, or ssh is run by ansible",
            )


def _words(address: SshAddress, access: SshAccess, jumps: Sequence[str]) -> list[str]:
    words = ["-l", address.user] if address.user else []
    words += ["-p", str(address.port)] if address.port else []
    words += ["-J", ",".join(jumps)] if jumps else []
    words += ["-i", str(expanded(access.identity))] if access.identity else []
    return words


def _run(words: Sequence[str]) -> str:
    """What `ssh -G` prints. Raises UsageError with its words where it refuses, hangs, or does not end printing."""
    argv = [PROGRAM, "-G", "-T", *DIGEST, *words]
    who = f"ssh -G {words[-1]}"
    try:
        ended = asyncio.run(programs.run(argv, for_others(os.environ), SECONDS, first(MOST + 1)))
    except TimeoutError:
        raise UsageError(
            f"{who}: has not ended within {SECONDS:.0f} s",
            "look at Match exec and CanonicalizeHostname there",
        ) from None
    if ended.code != 0 or len(ended.out) > MOST:
        told = ended.err[-600:].decode("utf-8", "replace").strip() or f"exit {ended.code}"
        raise UsageError(f"{who}: {told}", "ssh itself does not take this configuration")
    return ended.out.decode("utf-8", "replace")
