"""Finds nodes that differ from their release, or from most nodes of their pool.

What a stream says decides; where it says nothing, more than half of the pool's nodes decide. Without such a majority
nothing is called drift: which half is right cannot be known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime

from msgspec import UNSET, Struct

from fleet.core.drift.changed_files import AGREE_NEEDS, changed_files
from fleet.core.drift.drift_report import DriftFinding, DriftKind, DriftReport, UndecidedPool, finding
from fleet.core.drift.kernel_arguments import differences, shared_arguments
from fleet.core.policy.policy import Policy
from fleet.core.releases.kernel import architecture_of, is_kernel
from fleet.core.releases.release import Release, Stream, is_release
from fleet.core.reporting.node_state import StatusNode
from fleet.core.text.counts import counted


class ComparedTrait(Struct, frozen=True):
    """Names what is compared between nodes, and how a difference is shown and undone."""

    kind: DriftKind
    value: Callable[[StatusNode], str | None]
    """None: the node does not report it."""
    group: Callable[[StatusNode], tuple[str, ...]]
    """Nodes are compared within a group: those of a pool, or of a pool and a release."""
    message: Callable[[str, str], str]
    """Of the expected and the found value."""
    remedy: Callable[[StatusNode], str]


def drift(nodes: Sequence[StatusNode], policy: Policy, now: datetime) -> DriftReport:
    """Returns how these nodes differ. Machines without a node are not compared."""
    compared = [node for node in nodes if node.state != "orphan"]
    findings = [found for node in compared for found in _by_stream(node, policy)]
    decided = {(found.cluster, found.node, found.kind) for found in findings}
    undecided: list[UndecidedPool] = []
    for trait in TRAITS:
        for members in _groups(trait.group, compared):
            found, split = _by_majority(trait, members)
            findings += [one for one in found if (one.cluster, one.node, one.kind) not in decided]
            undecided += [split] if split is not None else []
    for members in _groups(_pool, compared):
        files, split = changed_files(members)
        findings += files
        undecided += [split] if split is not None else []
        findings += _failed_units(members)
    findings.sort(key=lambda one: (one.pool, one.kind, one.cluster, one.node))
    return _report(now, compared, findings, undecided)


def part(report: DriftReport, nodes: Sequence[StatusNode]) -> DriftReport:
    """Returns what the report of a fleet has about some of its nodes. What is undecided is so in their whole pools."""
    compared = [node for node in nodes if node.state != "orphan"]
    refs = {(node.cluster, node.name) for node in compared}
    pools = {node.pool for node in compared}
    findings = [one for one in report.findings if (one.cluster, one.node) in refs]
    return _report(report.at, compared, findings, [one for one in report.undecided if one.pool in pools])


def _report(
    at: datetime,
    compared: Sequence[StatusNode],
    findings: Iterable[DriftFinding],
    undecided: Iterable[UndecidedPool],
) -> DriftReport:
    silent = sum(map(_is_silent, compared))
    no_etc = sum(node.etc is UNSET and not _is_silent(node) for node in compared)
    return DriftReport(at, len(compared), tuple(findings), tuple(undecided), silent, no_etc)


def _is_silent(node: StatusNode) -> bool:
    """Returns whether no agent reports anything of the node."""
    return not node.version and not node.kernel_arguments


def _by_stream(node: StatusNode, policy: Policy) -> Iterator[DriftFinding]:
    pool = policy.pool(node.pool)
    stream = policy.stream(pool.stream) if pool is not None else None
    if stream is None or not (node.version or node.booted):
        return
    booted = Release(node.version, node.booted, reference_digest=node.reference_digest)
    release = next((one for one in stream.releases if is_release(booted, one)), None)
    if release is None:
        yield _unknown_release(node, stream)
    elif release.kernel and node.kernel and not is_kernel(node.kernel, release.kernel):
        message = f"runs kernel {node.kernel}; release {release.version} boots {release.kernel}"
        remedy = f"see what it booted (fleet node logs), then reboot it or deploy {release.version} anew"
        yield finding(node, "kernel", release.kernel, node.kernel, f"stream {stream.name}", message, remedy)


def _unknown_release(node: StatusNode, stream: Stream) -> DriftFinding:
    basis = f"stream {stream.name}"
    same = stream.find(node.version) if node.version else None
    if same is not None:
        wanted = same.digest or ", ".join(digest for _, digest in same.digests)
        message = f"booted version {node.version} from {node.booted}, which is not the image of that release"
        remedy = f"fleet plan --pool {node.pool} --to VERSION brings an image of the stream"
        return finding(node, "digest", wanted, node.booted, basis, message, remedy)
    found = node.version or node.booted
    message = f"runs {found}, which is no release of stream {stream.name}"
    remedy = f"add {found} to the stream, or fleet plan --pool {node.pool} --to VERSION"
    return finding(node, "release", basis, found, basis, message, remedy)


def _by_majority(
    trait: ComparedTrait, members: Sequence[StatusNode]
) -> tuple[list[DriftFinding], UndecidedPool | None]:
    values = [(node, value) for node in members if (value := trait.value(node)) is not None]
    counts = Counter(value for _, value in values)
    if len(counts) < 2:
        return [], None
    (expected, most), *_ = counts.most_common(1)
    if most * 2 <= len(values) or len(values) < AGREE_NEEDS:
        return [], UndecidedPool(members[0].pool, trait.kind, tuple(counts.most_common()))
    basis = f"{most:,} of {counted(len(values), 'node')}"
    return [
        finding(node, trait.kind, expected, value, basis, trait.message(expected, value), trait.remedy(node))
        for node, value in values
        if value != expected
    ], None


def _failed_units(members: Sequence[StatusNode]) -> Iterator[DriftFinding]:
    reporting = [node for node in members if node.systemd and node.systemd != "unknown"]
    failing = Counter(unit for node in reporting for unit in node.failed_units)
    for node in reporting:
        for unit in node.failed_units:
            others = failing[unit] - 1
            where = counted(others, "other node") if others else "no other node"
            basis = f"{len(reporting) - failing[unit]:,} of {counted(len(reporting), 'node')}"
            message = f"unit {unit} has failed; it failed on {where} of the pool"
            remedy = f"on the node: systemctl status {unit}; then systemctl restart {unit}"
            yield finding(node, "failed-units", "running", unit, basis, message, remedy)


def _groups(
    group: Callable[[StatusNode], tuple[str, ...]], nodes: Sequence[StatusNode]
) -> Collection[Sequence[StatusNode]]:
    groups: dict[tuple[str, ...], list[StatusNode]] = {}
    for node in nodes:
        groups.setdefault(group(node), []).append(node)
    return groups.values()


def _pool(node: StatusNode) -> tuple[str, ...]:
    return (node.pool,)


def _of_release(node: StatusNode) -> tuple[str, ...]:
    """Nodes of one pool, one release and one architecture. A release that is not reported is the name of the system."""
    return node.pool, node.booted or node.version or node.os, architecture_of(node.kernel)


def _words(values: Sequence[str]) -> str:
    return " ".join(values)


def _of_agent(value: Callable[[StatusNode], str]) -> Callable[[StatusNode], str | None]:
    """Only an agent reports packages and arguments; its kernel arguments are never empty."""
    return lambda node: value(node) if node.kernel_arguments else None


TRAITS: tuple[ComparedTrait, ...] = (
    ComparedTrait(
        "kernel",
        lambda node: node.kernel or None,
        _of_release,
        lambda expected, found: f"runs kernel {found}; other nodes of the same release run {expected}",
        lambda node: (
            f"fleet node logs {node.cluster}/{node.name}; a kernel was put on top of the image, or not booted"
        ),
    ),
    ComparedTrait(
        "kubelet",
        lambda node: node.kubelet or None,
        _of_release,
        lambda expected, found: f"runs kubelet {found}; other nodes of the same release run {expected}",
        lambda node: "the kubelet does not come from the image: install it as on the other nodes",
    ),
    ComparedTrait(
        "layered",
        _of_agent(lambda node: _words(sorted(node.layered))),
        _pool,
        lambda expected, found: f"layered packages: {differences(expected, found)}",
        lambda node: (
            "on the node: rpm-ostree install or uninstall these packages, or build them into the image"
        ),
    ),
    ComparedTrait(
        "kernel-arguments",
        _of_agent(lambda node: _words(shared_arguments(node.kernel_arguments))),
        _pool,
        lambda expected, found: f"kernel arguments: {differences(expected, found)}",
        lambda node: (
            "on the node: set the arguments as on the other nodes (rpm-ostree kargs, the boot loader's "
            "configuration), then reboot it"
        ),
    ),
)
