"""The inventory: a YAML file with the hosts, how to connect to them, and the hooks around a reboot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from fleet.config.document import forms, network_forms
from fleet.config.document.findings import Findings, SourcePlace, TooMany
from fleet.config.document.fragment import Block, Fragment
from fleet.config.document.reader import Reader
from fleet.config.stream import text_of
from fleet.core.records.errors import ConfigError, UsageError
from fleet.core.text.paths import expanded

HookPlace = Literal["host", "controller"]
WHERE: dict[str, HookPlace] = {"host": "host", "controller": "controller"}
HINT = "docs/hosts.md has every key"


class HostHook(Struct, frozen=True):
    """A command line for `sh -c`; several lines are a script. Exit code 0 means success."""

    run: str
    on: HookPlace = "host"
    """The place in which the hook runs: on the host as root, or beside the controller."""
    timeout_seconds: int = 300
    folder: str = ""
    """The folder of the inventory, in which a hook beside the controller runs."""


class HostEntry(Struct, frozen=True):
    """One host of the inventory."""

    name: str
    address: str = ""
    """The address, which is looked up in the ssh configuration; empty: the host's name."""
    user: str = ""
    port: int = 0
    """The port; 0, like an empty user, leaves the value to the ssh configuration."""
    zone: str = ""
    site: str = ""
    labels: dict[str, str] = {}
    identity: str = ""
    """The path of a private key that replaces the inventory's. Only inventories of Ansible have one for each host."""
    source: str = ""
    """The source of the host's releases, for operating systems that need one."""
    cordoned: bool = False
    """True if an operator has cordoned the host in the inventory: fleet does nothing to it."""
    before: HostHook | None = None
    """The hook that takes the host out of service before its reboot."""
    after: HostHook | None = None
    """The hook that puts the host back into service, after the reboot was proven or was given up."""
    ready: HostHook | None = None
    """The hook that checks whether the host's service works."""


class HostInventory(Struct, frozen=True):
    hosts: tuple[HostEntry, ...] = ()
    config: str = ""
    """An ssh configuration that replaces the user's and the system's: names, users, keys, jump hosts, known hosts."""
    identity: str = ""
    parallel: int = 32
    """The most hosts on which commands run at once."""


def _script(text: str) -> str:
    if not text.strip():
        raise ValueError(text)
    return text


SCRIPT = forms.ValueForm("a command line or a script for sh", _script)
ADDRESS = forms.matching(
    "a host name or an IP address, and its port under port",
    r"(?![^:]*:[^:]*$)(?:[A-Za-z0-9_][A-Za-z0-9._:%-]{0,252}|[0-9A-Fa-f:]+)",
)
"""An address with one single colon would include a port; IPv6 addresses have several colons."""
USER = forms.matching("a user's name", r"[A-Za-z_][A-Za-z0-9._-]{0,63}")


def text(path: Path) -> str:
    """Returns the text of the file. Raises UsageError where the file cannot be read."""
    try:
        return text_of(path)
    except (OSError, ValueError) as wrong:
        why = "does not exist" if isinstance(wrong, FileNotFoundError) else f"cannot be read: {wrong}"
        raise UsageError(f"{path} {why}", HINT) from None


@contextmanager
def raising_all(path: Path, findings: Findings) -> Iterator[None]:
    """Raises ConfigError at the end of the block if there are problems: with all of them, or the first hundred."""
    try:
        yield
    except TooMany:
        message = f"{path}: more than {len(findings.problems)} problems: the rest was not checked"
        raise ConfigError([*findings.problems, message], HINT) from None
    if findings.problems:
        raise ConfigError(findings.problems, HINT)


def read(document: Fragment | None, path: Path, findings: Findings) -> HostInventory:
    """Returns the inventory as far as the document can be read. Raises TooMany."""
    if not isinstance(document, Block):
        if document is not None or not findings.problems:
            findings.problem(SourcePlace(str(path), 1), "expected a mapping with the key hosts, found none")
        return HostInventory()
    reader = Reader(document, str(path), findings)
    ssh = reader.block("ssh")
    base = _host(reader.block("defaults"), HostEntry(""), str(path.absolute().parent))
    found = HostInventory(
        hosts=_hosts(reader.blocks("hosts", required=True), base, str(path.absolute().parent)),
        config=_relative_to_file(path, ssh.value("config", forms.TEXT, HostInventory().config)),
        identity=_relative_to_file(path, ssh.value("identity", forms.TEXT, "")),
        parallel=ssh.value("parallel", forms.count(1), HostInventory().parallel),
    )
    reader.close()
    return found


def duplicates(hosts: Iterable[HostEntry]) -> Iterator[tuple[str, str]]:
    """Yields the names of hosts with the same address as an earlier host, each with the earlier host's name."""
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
    for name, other in duplicates(found.values()):
        named[name].problem(f"expected an address of its own, found that of {other}", "address")
    return tuple(found.values())


def _host(reader: Reader, base: HostEntry, folder: str) -> HostEntry:
    """Returns a host with the settings that both `defaults` and a host may have. `folder` is the inventory's."""
    return replace(
        base,
        user=reader.value("user", USER, base.user),
        port=reader.value("port", network_forms.PORT, base.port),
        zone=reader.value("zone", forms.LABEL_TEXT, base.zone),
        site=reader.value("site", forms.LABEL_TEXT, base.site),
        labels=base.labels | reader.pairs("labels", forms.LABEL_KEY, forms.LABEL_TEXT),
        source=reader.value("source", network_forms.SOURCE, base.source),
        before=_hook(reader, "before", base.before, folder),
        after=_hook(reader, "after", base.after, folder),
        ready=_hook(reader, "ready", base.ready, folder),
    )


def _hook(reader: Reader, key: str, base: HostHook | None, folder: str) -> HostHook | None:
    part = reader.block(key)
    run = part.value("run", SCRIPT, "")
    on: HookPlace = part.value("on", forms.choice(WHERE), WHERE["host"])
    timeout = part.value("timeout", forms.seconds(1), 30 if key == "ready" else 300)
    if not reader.has(key):
        return base
    if not part.has("run"):
        part.problem("expected the key run (a command line or a script for sh), found none")
    return HostHook(run, on, timeout, folder if on == "controller" else "")


def _relative_to_file(path: Path, name: str) -> str:
    """Returns the path relative to the file's folder; an empty name stays empty."""
    return str(path.absolute().parent / expanded(name)) if name else ""
