"""Seeded known_hosts files, and ssh servers with host keys and certificates of every sort for them to be about."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct

from tests.installed import installed
from tests.machines.sshd import Sshd, sshd

RELAY = """\
import os, select, socket, sys
end = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while True:
    for ready in select.select([0, end], [], [])[0]:
        data = os.read(0, 65536) if ready == 0 else end.recv(65536)
        if not data:
            sys.exit()
        end.sendall(data) if ready == 0 else os.write(1, data)
"""
PLACES = (
    ("n-1.example", 22),
    ("n-1.example", 2222),
    ("10.0.0.5", 22),
    ("N-1.Example", 2200),
    ("2001:db8::5", 2222),
)
CERTIFICATES = {
    "named": ("-n", "n-1.example,10.0.0.5,2001:db8::5,rack"),
    "wild": ("-n", "*.example"),
    "other": ("-n", "n-2.example"),
    "anybody": (),
    "old": ("-n", "n-1.example", "-V", "20200101:20210101"),
    "critical": ("-n", "n-1.example", "-O", "critical:odd@example=1"),
    "strange": ("-n", "n-1.example"),
}
"""How they are signed; `strange` by an authority that is not the one that is known."""


class Case(Struct, frozen=True):
    server: str
    name: str
    port: int
    alias: str
    lines: tuple[str, ...]
    more: str
    """Of the configuration."""


class Servers:
    """One for each of CERTIFICATES, and `plain`, all with the same three host keys, of one user's key."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.keys = {kind: _key(folder, f"host_{kind}", kind) for kind in ("ed25519", "ecdsa", "rsa")}
        self.others = {kind: _key(folder, f"other_{kind}", kind) for kind in ("ed25519", "ecdsa")}
        self.authorities = {name: _key(folder, name, "ed25519") for name in ("authority", "stranger")}
        (folder / "relay.py").write_text(RELAY)
        self._running: dict[str, Sshd] = {}
        for name in ("plain", *CERTIFICATES):
            own = folder / name
            own.mkdir()
            more = "".join(f"HostKey {path}\n" for path in self.keys.values())
            if name != "plain":
                more += f"HostCertificate {self._certificate(name)}\n"
            self._running[name] = stack.enter_context(sshd(own, more, self.keys["ed25519"]))

    def configured(self, case: Case, number: int) -> Path:
        """An ssh_config(5) that leads to it: by a command, so that any name and port will do."""
        server, folder = self._running[case.server], self.folder / f"case-{number}"
        folder.mkdir(exist_ok=True)
        half = len(case.lines) // 2
        for file, lines in (("one", case.lines[:half]), ("two", case.lines[half:])):
            (folder / file).write_text("".join(f"{line}\n" for line in lines))
        alias = f"HostKeyAlias {case.alias}\n" if case.alias else ""
        (folder / "config").write_text(
            f"UserKnownHostsFile {folder}/one {folder}/two\nGlobalKnownHostsFile none\nIdentityAgent none\n"
            f"IdentityFile {server.user_key}\nIdentitiesOnly yes\nPort {case.port}\n{alias}{case.more}"
            f"ProxyCommand {sys.executable} -S -E {self.folder}/relay.py {server.port}\n"
        )
        return folder / "config"

    def public(self, path: Path) -> str:
        """`kind key`, as a line of known_hosts ends."""
        return " ".join(path.with_suffix(".pub").read_text().split()[:2])

    def _certificate(self, name: str) -> Path:
        own = self.folder / name / "host.pub"
        own.write_text(self.keys["ed25519"].with_suffix(".pub").read_text())
        signer = self.authorities["stranger" if name == "strange" else "authority"]
        _run("ssh-keygen", "-q", "-s", str(signer), "-h", "-I", name, *CERTIFICATES[name], str(own))
        return own.with_name("host-cert.pub")


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(folder, stack)


def case(chance: random.Random, at: Servers) -> Case:
    """Any server under any name, known by lines that may be about it."""
    name, port = chance.choice(PLACES)
    alias = chance.choice(("", "", "", "rack", "Rack"))
    server = chance.choice(("plain", "plain", *CERTIFICATES))
    lines = [_line(chance, at, name, port, alias) for _ in range(chance.choice((1, 1, 2, 3, 5)))]
    more = chance.choice(
        ("", "", "", "HostKeyAlgorithms -ssh-ed25519*\n", "CASignatureAlgorithms rsa-sha2-512\n")
    )
    return Case(server, name, port, alias, tuple(lines), more)


def _line(chance: random.Random, at: Servers, name: str, port: int, alias: str) -> str:
    ours = [*at.keys.values()]
    marker = chance.choice(("", "", "", "", "@cert-authority ", "@cert-authority ", "@revoked "))
    if marker == "@cert-authority ":
        key = chance.choice(
            (at.authorities["authority"], at.authorities["authority"], at.authorities["stranger"])
        )
    else:
        key = chance.choice((*ours, ours[0], *at.others.values(), at.authorities["authority"]))
    public = at.public(key)
    about = _patterns(chance, name, port, alias, at)
    line = f"{marker}{about} {public}"
    odd = chance.random()
    if odd < 0.04:
        return f"{about} ssh-rsa {public.split()[1]}"
    if odd < 0.08:
        return f"# {line}"
    if odd < 0.12:
        return f"  {marker}{about}\t{public} a comment"
    if odd < 0.15:
        return line.replace(" ", "\t", 1)
    return line


def _patterns(chance: random.Random, name: str, port: int, alias: str, at: Servers) -> str:
    own = alias or name
    lower = own.lower()
    there = lower if alias or port == 22 else f"[{lower}]:{port}"
    some = (
        there, there, there, lower, own, f"[{lower}]:{port}", f"[{lower}]:22", there.upper(), "*", "*.example",
        "n-?.example",
        "[*.example]:2222", "[*]:*", f"*,!{there}", f"!{lower},*.example,[*]:*", f"a,b,{there}", "other.example", "n-1.*",
        f"{there},!*.org", "[n-1.example]:*", "10.0.0.?", "rack*", "!nobody," + there,
    )  # fmt: skip
    chosen = chance.choice(some)
    return hashed(chosen, at.folder) if chance.random() < 0.15 else chosen


def hashed(name: str, folder: Path) -> str:
    """As ssh-keygen -H does it; patterns have no hash and stay as they are."""
    file = folder / "to-hash"
    key = (folder / "host_ed25519.pub").read_text()
    file.write_text(f"{name} {key}")
    _run("ssh-keygen", "-q", "-H", "-f", str(file))
    return file.read_text().split()[0]


def asked_of_ssh(config: Path, name: str, message: Sequence[str] = ()) -> tuple[bool, str]:
    """Whether ssh itself connects, and what it prints."""
    argv = ["ssh", "-F", str(config), "-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
    done = subprocess.run(
        [*argv, *message, "--", name, "true"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    return done.returncode == 0, done.stderr


def _key(folder: Path, name: str, kind: str) -> Path:
    path = folder / name
    _run(installed("ssh-keygen", "openssh-client"), "-q", "-t", kind, "-N", "", "-C", name, "-f", str(path))
    return path


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
