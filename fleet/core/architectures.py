"""A release with one digest for nodes of several architectures: it may be an index's, and it may not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fleet.core.node import Node
from fleet.core.plan import PlanWarning
from fleet.core.release import Release
from fleet.core.rollout import Goal
from fleet.core.view import ClusterView


def one_digest(pool: str, nodes: Iterable[Node], release: Release) -> Iterator[PlanWarning]:
    """Yields a warning where these nodes of the pool would all be asked to write the payload of that digest."""
    known = sorted({node.architecture for node in nodes} - {""})
    if len(known) > 1 and release.digest and not release.digests:
        words = (
            f"nodes of pool {pool} are {' and '.join(known)}, and {release.version} has one digest: "
            "a payload of one architecture would be written to all of them"
        )
        remedy = "see that it is the digest of an index over these architectures; name theirs in the stream (digests)"
        yield PlanWarning("one-digest", "", pool, words, remedy)


def warnings(
    goals: Iterable[Goal], views: Mapping[str, ClusterView], release: Release
) -> Iterator[PlanWarning]:
    """Yields what a plan for these nodes warns of."""
    pools: dict[str, list[Node]] = {}
    for goal in goals:
        if node := views[goal.node.cluster].nodes.get(goal.node.name):
            pools.setdefault(goal.pool, []).append(node)
    for pool, nodes in pools.items():
        yield from one_digest(pool, nodes, release)
