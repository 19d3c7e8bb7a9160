"""Says which nodes are exposed, since when, and what fixes them. `ExposureReport` and what it has are the published JSON
(`docs/schemas/exposure.json`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.exposure.verdict import ExposureState
from fleet.core.text.natural_order import natural


class ExposureFix(Struct, frozen=True):
    """Names what brings a fixed release to an exposed node."""

    kind: Literal["rollout", "plan", "release", "none"]
    """`rollout`: an active rollout upgrades the node. `plan`: a stored plan would. `release`: the stream of the node's
    pool has a fixed release, and neither upgrades the node to it (of a past moment neither is known). `none`: no release
    that is known to fix it."""
    version: str = ""
    rollout: str = ""
    plan: str = ""
    at: datetime | None = None
    """When the node's run, or the whole rollout, is expected to end. None: not known."""
    certain: bool = True
    """False: the release is not known to have the fix, because its stream names no kernel and no advisory for it."""


class ExposedNode(Struct, frozen=True):
    """One node and the answer to one question."""

    cluster: str
    site: str
    pool: str
    node: str
    os: str
    version: str
    kernel: str
    digest: str
    state: ExposureState
    reason: str
    message: str
    since: datetime | None = None
    """Since when the node is exposed without a break: over all affected software that it ran one after the other, but
    not before the advisory was published. None: not exposed, or not known."""
    days: float | None = None
    fix: ExposureFix | None = None
    """None: the node is not exposed."""
    at_least: bool = False
    """True if the node may have been exposed before `since`: nothing is known of the time before, or what the node ran
    then cannot be judged."""
    last_seen: datetime | None = None
    """When the facts about the node were last read."""


class ExposureAnswer(Struct, frozen=True):
    """The answer to one question for all nodes."""

    question: str
    title: str
    aliases: tuple[str, ...]
    published: datetime | None
    severity: str
    severity_source: str
    counts: dict[str, int]
    """Nodes by state: affected, fixed, not_affected, unknown."""
    nodes: tuple[ExposedNode, ...]


class ExposureReport(Struct, frozen=True):
    """The answers to all questions, at one time."""

    at: datetime
    answers: tuple[ExposureAnswer, ...]


class ExposedNodes(NamedTuple):
    """The answer for one node, or for several with the same answer."""

    node: ExposedNode
    """Of any one of them."""
    names: Sequence[str]
    """Of all of them, in one cluster."""


def in_order(groups: Iterable[ExposedNodes]) -> Iterator[ExposedNodes]:
    """Yields the groups of each pool in the order of their first names."""
    pools: dict[tuple[str, str, str], list[ExposedNodes]] = {}
    for group in groups:
        node = group.node
        pools.setdefault((node.site, node.cluster, node.pool), []).append(group)
    for members in pools.values():
        if len(members) > 1:
            members.sort(key=lambda group: min(map(natural, group.names)))
        yield from members


class AlikeAnswer(Struct, frozen=True):
    """The answer to one question, without a row for each of the nodes that have the same answer."""

    head: ExposureAnswer
    """Without nodes."""
    groups: tuple[ExposedNodes, ...]
    """By site, cluster and pool, and there by the first of their names."""

    def whole(self) -> ExposureAnswer:
        """Returns the answer with a row for each node, by site, cluster, pool and name."""
        nodes = [
            node if name == node.node else replace(node, node=name)
            for node, names in self.groups
            for name in names
        ]
        nodes.sort(key=lambda node: (node.site, node.cluster, node.pool, natural(node.node)))
        return replace(self.head, nodes=tuple(nodes))


class AlikeReport(Struct, frozen=True):
    """The answers to all questions, at one time, without a row for each of the nodes that have the same answer."""

    at: datetime
    answers: tuple[AlikeAnswer, ...]

    def whole(self) -> ExposureReport:
        """Returns the answers with a row for each node."""
        return ExposureReport(self.at, tuple(answer.whole() for answer in self.answers))
