"""Compares which files in /etc were changed, between nodes of a pool. Paths alone are known: two nodes that have changed
one file in different ways count as equal."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import UNSET, Struct

from fleet.core.drift.drift_report import DriftFinding, UndecidedPool, finding
from fleet.core.objects.machine import EtcChanges
from fleet.core.reporting.node_state import StatusNode
from fleet.core.text.counts import counted

AGREE_NEEDS = 3
"""The fewest nodes of which a majority says anything: of two that differ, neither is the odd one."""
FILES_MOST = 10
"""The most files of one node that have a finding each; one more finding names all others."""
OWN = ("lvm/archive/", "lvm/backup/", "NetworkManager/system-connections/", "ssh/ssh_host_")
"""How paths begin that are a machine's own, and are named by its disks, devices and keys."""
STATES = {"": "as in the release", "M": "changed", "A": "added", "D": "removed"}
"""The states of a file, by the letter that `ostree admin config-diff` prints."""


class _NodeFiles(Struct, frozen=True):
    """The changed files of one node."""

    node: StatusNode
    changed: Mapping[str, str]
    """The letters of `STATES`, by path."""
    known_to: str | None
    """The last path of a list that was cut off: what follows is unknown. None: the list is whole."""

    def state(self, path: str) -> str | None:
        """Returns the letter of the file; None where it is unknown."""
        if path not in self.changed and self.known_to is not None and path > self.known_to:
            return None
        return self.changed.get(path, "")


class _Difference(Struct, frozen=True):
    """A file of one node that is not as most nodes have it. The states are the letters of `STATES`."""

    node: StatusNode
    path: str
    expected: str
    state: str
    basis: str


def changed_files(members: Sequence[StatusNode]) -> tuple[list[DriftFinding], UndecidedPool | None]:
    """Returns the nodes of one pool that differ from most of them, and the files about which there is no majority."""
    nodes = [_files(node, node.etc) for node in members if node.etc is not UNSET]
    paths = sorted({path for node in nodes for path in node.changed})
    differing: dict[tuple[str, str], list[_Difference]] = {}
    tied: list[str] = []
    for path in paths:
        states = [(node, state) for node in nodes if (state := node.state(path)) is not None]
        counts = Counter(state for _, state in states)
        (expected, most), *others = counts.most_common()
        if others and (len(states) < AGREE_NEEDS or most * 2 <= len(states)):
            tied.append(path)
        elif others:
            basis = f"{most:,} of {counted(len(states), 'node')}"
            for node, state in states:
                if state != expected:
                    key = node.node.cluster, node.node.name
                    differing.setdefault(key, []).append(_Difference(node.node, path, expected, state, basis))
    findings = [found for each in differing.values() for found in _findings(each)]
    return findings, _undecided(nodes, tied)


def _files(node: StatusNode, etc: EtcChanges) -> _NodeFiles:
    changed = {path: kind for kind, _, path in (line.partition(" ") for line in etc.changed)}
    last = max(changed, default="") if etc.more else None
    return _NodeFiles(node, {path: kind for path, kind in changed.items() if not path.startswith(OWN)}, last)


def _findings(differing: Sequence[_Difference]) -> Iterator[DriftFinding]:
    """Yields the findings of one node."""
    for one in differing[:FILES_MOST]:
        yield finding(
            one.node,
            "etc",
            f"/etc/{one.path} {STATES.get(one.expected, one.expected)}",
            f"/etc/{one.path} {STATES.get(one.state, one.state)}",
            one.basis,
            _message(f"/etc/{one.path}", one.expected, one.state),
            _remedy(one.path, one.expected, one.state),
        )
    if rest := [f"/etc/{one.path}" for one in differing[FILES_MOST:]]:
        yield finding(
            differing[0].node,
            "etc",
            "as most nodes",
            ", ".join(rest),
            "the pool",
            f"{counted(len(rest), 'more file')} in /etc differ from most nodes: {', '.join(rest[:3])}, ...",
            "on the node: ostree admin config-diff lists all changes",
        )


def _message(file: str, expected: str, state: str) -> str:
    match state, expected:
        case "M", "":
            return f"{file} is not the file of the release"
        case "A", "":
            return f"{file} was added"
        case "D", "":
            return f"{file} was removed"
        case "", "A":
            return f"{file} is missing, which most nodes have"
        case "", _:
            return (
                f"{file} is as the release brings it; on most nodes it was {STATES.get(expected, expected)}"
            )
    return f"{file} was {STATES.get(state, state)}; on most nodes it was {STATES.get(expected, expected)}"


def _remedy(path: str, expected: str, state: str) -> str:
    file, original = shlex.quote(f"/etc/{path}"), shlex.quote(f"/usr/etc/{path}")
    if expected:
        return "make the same change on this node, or have it made by what provisions the nodes"
    if state == "A":
        return f"on the node: find out what wrote {file}, then remove it, or bring it to all nodes"
    return f"on the node: cp -a {original} {file} takes the release's file; or change it on all nodes"


def _undecided(nodes: Sequence[_NodeFiles], tied: Sequence[str]) -> UndecidedPool | None:
    if not tied:
        return None
    variants = Counter(
        ", ".join(f"/etc/{path} {STATES.get(state, state)}" for path in tied if (state := node.state(path)))
        for node in nodes
    )
    return UndecidedPool(nodes[0].node.pool, "etc", tuple(variants.most_common()))
