"""Warnings about releases whose payload or kernel may be for another CPU architecture than that of the nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import Node
from fleet.core.planning.plan import PlanWarning
from fleet.core.releases.kernel import architecture_of
from fleet.core.releases.release import Release
from fleet.core.rollout.goal import Goal


def of_pool(pool: str, nodes: Sequence[Node], release: Release) -> Iterator[PlanWarning]:
    """Yields the warnings about an upgrade of these nodes of the pool to the release."""
    yield from _one_digest(pool, nodes, release)
    yield from _other_kernel(pool, nodes, release)


def _one_digest(pool: str, nodes: Sequence[Node], release: Release) -> Iterator[PlanWarning]:
    """Yields a warning if nodes of several architectures share a single digest.

    All of the nodes would be asked to write the payload of that digest. The digest may be that of an index over several
    architectures, but fleet cannot know whether it is.
    """
    architectures = sorted({node.architecture for node in nodes} - {""})
    if len(architectures) > 1 and release.digest and not release.digests:
        message = (
            f"nodes of pool {pool} are {' and '.join(architectures)}, and {release.version} has one digest: "
            "a payload of one architecture would be written to all of them"
        )
        remedy = "see that it is the digest of an index over these architectures; name theirs in the stream (digests)"
        yield PlanWarning("one-digest", "", pool, message, remedy)


def _other_kernel(pool: str, nodes: Sequence[Node], release: Release) -> Iterator[PlanWarning]:
    """Yields a warning if the name of the release's kernel contains an architecture that no kernel of these nodes
    has."""
    named = architecture_of(release.kernel)
    architectures = sorted({architecture_of(node.kernel) for node in nodes} - {"", named})
    if named and architectures:
        message = (
            f"nodes of pool {pool} run kernels of {' and '.join(architectures)}, and the kernel of {release.version} is "
            f"named {release.kernel}: their runs would fail after the reboot"
        )
        yield PlanWarning(
            "other-kernel", "", pool, message, "leave the architecture out of its kernel in the stream"
        )


def warnings(
    goals: Iterable[Goal], views: Mapping[str, ClusterView], release: Release
) -> Iterator[PlanWarning]:
    """Yields the warnings of a plan that upgrades the nodes of these goals. `views`: by name of the cluster."""
    pools: dict[str, list[Node]] = {}
    for goal in goals:
        if node := views[goal.node.cluster].nodes.get(goal.node.name):
            pools.setdefault(goal.pool, []).append(node)
    for pool, nodes in pools.items():
        yield from of_pool(pool, nodes, release)
