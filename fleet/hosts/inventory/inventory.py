"""The inventory: a YAML file that names the hosts, how they are reached, and what is to be done around a reboot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from fleet.config.document import forms
from fleet.config.document.findings import Findings, SourcePlace, TooMany
from fleet.config.document.fragment import Block, Fragment
from fleet.config.document.reader import Reader
from fleet.config.stream import text_of
from fleet.core.records.errors import ConfigError, UsageError
from fleet.core.text.paths import expanded

HookPlace = Literal["host", "controller"]
WHERE: dict[str, HookPlace] = {"host": "host", "controller": "controller"}
HINT = "docs/hosts.md has every key"


class Hook(Struct, frozen=True):
    """A command line for `sh -c`; several lines are a script. Exit code 0: it went well."""

    run: str
    on: HookPlace = "host"
    """Where it runs: on the host, with the rights of root, or beside the controller."""
    timeout_seconds: int = 300
    folder: str = ""
    """Of the inventory: where it runs beside the controller."""


class HostEntry(Struct, frozen=True):
    """One host."""

    name: str
    address: str = ""
    """Empty: the name. Looked up in the ssh configuration."""
    user: str = ""
    port: int = 0
    """0, and an empty user: what the ssh configuration says."""
    zone: str = ""
    site: str = ""
    labels: dict[str, str] = {}
    identity: str = ""
    """A private key in the place of the inventory's. Only inventories of Ansible name one for each host."""
    source: str = ""
    """Where its releases are, for operating systems that need it."""
    cordoned: bool = False
    """A person has taken it out: nothing is done to it."""
    before: Hook | None = None
    """Takes the host out of service, before its reboot."""
    after: Hook | None = None
    """Puts it back, after the reboot was proven, or where it came to none."""
    ready: Hook | None = None
    """Whether its service works."""


class HostInventory(Struct, frozen=True):
    hosts: tuple[HostEntry, ...] = ()
    config: str = ""
    """An ssh configuration in the place of the user's and the system's: names, users, keys, jump hosts, known hosts."""
    identity: str = ""
    parallel: int = 32
    """Hosts on which something runs at once."""


def _script(text: str) -> str:
    if not text.strip():
        raise ValueError(text)
    return text


SCRIPT = forms.ValueForm("a command line or a script for sh", _script)
ADDRESS = forms.matching(
    "a host name or an IP address, and its port under port",
    r"(?![^:]*:[^:]*$)(?:[A-Za-z0-9_][A-Za-z0-9._:%-]{0,252}|[0-9A-Fa-f:]+)",
)
"""One colon alone is before a port; IPv6 addresses have several."""
USER = forms.matching("a user's name", r"[A-Za-z_][A-Za-z0-9._-]{0,63}")


def text(path: Path) -> str:
    """Returns the text of the file. Raises UsageError where the file cannot be read."""
    try:
        return text_of(path)
    except (OSError, ValueError) as wrong:
        why = "does not exist" if isinstance(wrong, FileNotFoundError) else f"cannot be read: {wrong}"
        raise UsageError(f"{path} {why}", HINT) from None


@contextmanager
def all_told(path: Path, findings: Findings) -> Iterator[None]:
    """Raises ConfigError at its end where there are problems: with all of them, or the first hundred."""
    try:
        yield
    except TooMany:
        words = f"{path}: more than {len(findings.problems)} problems: the rest was not looked at"
        raise ConfigError([*findings.problems, words], HINT) from None
    if findings.problems:
        raise ConfigError(findings.problems, HINT)


def read(document: Fragment | None, path: Path, findings: Findings) -> HostInventory:
    """Raises TooMany."""
    if not isinstance(document, Block):
        if document is not None or not findings.problems:
            findings.problem(SourcePlace(str(path), 1), "expected a mapping with the key hosts, found none")
        return HostInventory()
    reader = Reader(document, str(path), findings)
    ssh = reader.block("ssh")
    base = _host(reader.block("defaults"), HostEntry(""), str(path.absolute().parent))
    found = HostInventory(
        hosts=_hosts(reader.blocks("hosts", some=True), base, str(path.absolute().parent)),
        config=_beside(path, ssh.value("config", forms.TEXT, HostInventory().config)),
        identity=_beside(path, ssh.value("identity", forms.TEXT, "")),
        parallel=ssh.value("parallel", forms.count(1), HostInventory().parallel),
    )
    reader.close()
    return found


def doubled(hosts: Iterable[HostEntry]) -> Iterator[tuple[str, str]]:
    """Yields the names of hosts that have the address of an earlier host, with the name of that host."""
    ways: dict[tuple[str, int], str] = {}
    for host in hosts:
        other = ways.setdefault((host.address or host.name, host.port), host.name)
        if host.name and other != host.name:
            yield host.name, other


def _hosts(parts: list[Reader], base: HostEntry, folder: str) -> tuple[HostEntry, ...]:
    found: dict[str, HostEntry] = {}
    named: dict[str, Reader] = {}
    for part in parts:
        name = part.required("name", forms.NAME, "")
        if name and name in found:
            part.problem("expected each name once, found it again", "name")
        named[name] = part
        found[name] = replace(
            _host(part, base, folder),
            name=name,
            address=part.value("address", ADDRESS, ""),
            cordoned=part.flag("cordoned", False),
        )
    for name, other in doubled(found.values()):
        named[name].problem(f"expected an address of its own, found that of {other}", "address")
    return tuple(found.values())


def _host(reader: Reader, base: HostEntry, folder: str) -> HostEntry:
    """What `defaults` and a host may both say. `folder`: the inventory's."""
    return replace(
        base,
        user=reader.value("user", USER, base.user),
        port=reader.value("port", forms.PORT, base.port),
        zone=reader.value("zone", forms.LABEL_TEXT, base.zone),
        site=reader.value("site", forms.LABEL_TEXT, base.site),
        labels=base.labels | reader.pairs("labels", forms.LABEL_KEY, forms.LABEL_TEXT),
        source=reader.value("source", forms.SOURCE, base.source),
        before=_hook(reader, "before", base.before, folder),
        after=_hook(reader, "after", base.after, folder),
        ready=_hook(reader, "ready", base.ready, folder),
    )


def _hook(reader: Reader, key: str, base: Hook | None, folder: str) -> Hook | None:
    part = reader.block(key)
    run = part.value("run", SCRIPT, "")
    on: HookPlace = part.value("on", forms.choice(WHERE), WHERE["host"])
    timeout = part.value("timeout", forms.seconds(1), 30 if key == "ready" else 300)
    if not reader.has(key):
        return base
    if not part.has("run"):
        part.problem("expected the key run (a command line or a script for sh), found none")
    return Hook(run, on, timeout, folder if on == "controller" else "")


def _beside(path: Path, name: str) -> str:
    """Relative to the file's folder; empty stays empty."""
    return str(path.absolute().parent / expanded(name)) if name else ""
