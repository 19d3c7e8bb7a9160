"""Reads quorum groups: how their members are probed, and how many may be down."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from fleet.config.document import forms, network_forms
from fleet.config.document.reader import Reader
from fleet.config.selector import selector
from fleet.core.quorum.groups import EtcdAccess, GroupMembers, GroupSpread, QuorumGroup, QuorumKind
from fleet.core.quorum.presets import PRESETS, default_rule
from fleet.core.quorum.probe import ExecProbe, HttpProbe, Probe
from fleet.core.quorum.quorum import QuorumRule, SnapshotRule

KINDS: dict[str, QuorumKind] = {
    "etcd": "etcd",
    "zookeeper": "zookeeper",
    "consul": "consul",
    "cockroachdb": "cockroachdb",
    "kafka": "kafka",
    "patroni": "patroni",
    "pods": "pods",
}
SPREADS: dict[str, GroupSpread] = {"site": "site", "zone": "zone"}
HOLD_OR_ALLOW: dict[str, Literal["hold", "allow"]] = {"hold": "hold", "allow": "allow"}
SCHEMES: dict[str, Literal["http", "https"]] = {"http": "http", "https": "https"}
ProbeAnswer = Literal["json", "lines", "table", "metrics"]
ANSWERS: dict[str, ProbeAnswer] = {"json": "json", "lines": "lines", "table": "table", "metrics": "metrics"}
OF_ETCD = ("endpoints", "ca", "cert", "key", "snapshot", "defragment", "last_voter_wait")
OF_PODS = ("namespace", "selector", "voters", "probe")


def quorums(reader: Reader, folder: Path) -> tuple[QuorumGroup, ...]:
    """Reads the quorum groups. Paths in the file are relative to `folder`."""
    found: dict[str, QuorumGroup] = {}
    for block in reader.blocks("quorums"):
        group = _group(block, folder)
        if group.name and group.name in found:
            block.problem("expected each name once, found it again", "name")
        found[group.name] = group
    return tuple(found.values())


def _group(reader: Reader, folder: Path) -> QuorumGroup:
    kind: QuorumKind = reader.value("kind", forms.choice(KINDS), KINDS["etcd"])
    access = _access(reader, folder)
    members = GroupMembers(
        namespace=reader.value("namespace", forms.NAME, ""),
        selector=selector(reader.block("selector")),
        voters=voters(reader),
        probe=probe(reader, kind),
    )
    base = rule(reader, kind)
    _fitting(reader, kind)
    return QuorumGroup(
        name=reader.required("name", forms.NAME, ""),
        cluster=reader.required("cluster", forms.NAME, ""),
        kind=kind,
        rule=replace(
            base,
            snapshot=_snapshot(reader, folder),
            defragment=reader.flag("defragment", base.defragment),
            last_voter_seconds=reader.value("last_voter_wait", forms.seconds(0), base.last_voter_seconds),
        ),
        spread=spread(reader),
        access=access,
        members=None if kind == "etcd" else members,
    )


def _fitting(reader: Reader, kind: QuorumKind) -> None:
    for key in OF_PODS if kind == "etcd" else OF_ETCD:
        if reader.has(key):
            reader.problem(f"expected no {key} of a group of kind {kind}, found one", key)
    if kind != "etcd":
        for key in ("namespace", "selector"):
            if not reader.has(key):
                reader.problem(f"expected the key {key} (which pods are the members), found none")


def rule(reader: Reader, kind: QuorumKind) -> QuorumRule:
    """Reads the rule of a group of any kind."""
    base, choice = default_rule(kind), forms.choice(HOLD_OR_ALLOW)
    return replace(
        base,
        margin=reader.value("margin", forms.count(0), base.margin),
        lag_entries=reader.value("lag_entries", forms.count(0), base.lag_entries),
        stale_seconds=reader.value("stale", forms.seconds(1), base.stale_seconds),
        downtime=reader.value("downtime", choice, base.downtime),
        stretch=reader.value("stretch", choice, base.stretch),
        soak_seconds=reader.value("soak", forms.seconds(0), base.soak_seconds),
    )


def _snapshot(reader: Reader, folder: Path) -> SnapshotRule | None:
    part = reader.block("snapshot")
    keep = part.value("keep", forms.count(1), SnapshotRule("").keep)
    directory = part.value("directory", forms.TEXT, "")
    if not reader.has("snapshot"):
        return None
    if not directory:
        part.problem("expected the key directory (where snapshots are kept), found none")
    return SnapshotRule(str((folder / directory).absolute()), keep)


def _access(reader: Reader, folder: Path) -> EtcdAccess:
    endpoints = reader.values("endpoints", network_forms.ENDPOINT)
    paths = {key: reader.value(key, forms.FILE, "") for key in ("ca", "cert", "key")}
    if bool(paths["cert"]) != bool(paths["key"]):
        reader.problem("expected both cert and key, found one", "cert" if paths["cert"] else "key")
    files = {key: str((folder / path).absolute()) if path else "" for key, path in paths.items()}
    return EtcdAccess(endpoints, files["ca"], files["cert"], files["key"])


def spread(reader: Reader) -> GroupSpread:
    return reader.value("spread", forms.choice(SPREADS), SPREADS["site"])


def voters(reader: Reader) -> int | None:
    return reader.value("voters", forms.OPTIONAL_COUNT, None)


def probe(reader: Reader, kind: QuorumKind) -> Probe | None:
    return _probe(reader.block("probe"), PRESETS.get(kind), reader.has("probe"))


def _probe(reader: Reader, base: Probe | None, given: bool) -> Probe | None:
    """Reads the probe: that of the group's kind, with the keys of the policy in place of the preset's. None: no member
    is probed."""
    ask = _ask(reader, base.ask if base is not None else None, given)
    declared = given or base is not None
    base = base if base is not None else Probe(HttpProbe(0, "/"))
    found = replace(
        base,
        ask=ask if ask is not None else base.ask,
        answer=reader.value("answer", forms.choice(ANSWERS), base.answer),
        members=reader.value("members", forms.PATH, base.members),
        name=reader.value("name", forms.PATH, base.name),
        leader=reader.value("leader", forms.TERM, base.leader),
        voter=reader.value("voter", forms.TERM, base.voter),
        healthy=reader.value("healthy", forms.TERM, base.healthy),
        settled=reader.values("settled", forms.TERM) or base.settled,
        index=reader.value("index", forms.PATH, base.index),
        lag=reader.value("lag", forms.PATH, base.lag),
        heard=reader.value("heard", forms.PATH, base.heard),
        version=reader.value("version", forms.PATH, base.version),
    )
    if found.members and not found.name:
        reader.problem("expected name (the key of a member's name in that list), found none", "members")
    if found.index and found.lag:
        reader.problem("expected either index or lag, found both", "lag")
    return found if declared else None


def _ask(reader: Reader, base: HttpProbe | ExecProbe | None, given: bool) -> HttpProbe | ExecProbe | None:
    """Returns how members are asked: as given, or else as in the preset. A probe that asks in no way, or in both ways,
    is a problem."""
    http, command = (
        _http(reader.block("http"), base),
        reader.values("exec", forms.TEXT, required=reader.has("exec")),
    )
    container = reader.value("container", forms.NAME, base.container if isinstance(base, ExecProbe) else "")
    if reader.has("http") and reader.has("exec"):
        reader.problem("expected either http or exec, found both", "exec")
    if command:
        return ExecProbe(command, container)
    if reader.has("http"):
        if not http.port:
            reader.problem("expected the key port, found none", "http")
        return http
    if isinstance(base, ExecProbe):
        return replace(base, container=container)
    if base is None and reader.has("leader") | reader.has("healthy") | reader.has("lag") | reader.has(
        "index"
    ):
        reader.problem("expected http or exec (how a member is read), found neither")
    return base


def _http(reader: Reader, base: HttpProbe | ExecProbe | None) -> HttpProbe:
    known = base if isinstance(base, HttpProbe) else HttpProbe(0, "/")
    return replace(
        known,
        port=reader.value("port", network_forms.PORT, known.port),
        path=reader.value("path", network_forms.HTTP_PATH, known.path),
        scheme=reader.value("scheme", forms.choice(SCHEMES), known.scheme),
    )
