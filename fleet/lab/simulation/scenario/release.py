"""Draws the release, and the architectures of the nodes that it is for."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.node import ARCHITECTURE_LABEL
from fleet.core.releases.release import Release
from fleet.lab.simulation.builders import NEW

ARCHITECTURES = ("amd64", "arm64")


def draw_release(seed: int) -> Release:
    """Draws the release. Some releases are for several architectures, with an index over their manifests or without."""
    rng = Random(f"release {seed}")
    if rng.random() < 0.8:
        return NEW
    manifests = tuple((name, f"sha256:{index:064x}") for index, name in enumerate(ARCHITECTURES))
    return replace(NEW, digest=f"sha256:{'1' * 64}" if rng.random() < 0.5 else "", digests=manifests)


def of_architectures(seed: int, snapshot: Snapshot) -> Snapshot:
    """Gives each node one of the architectures of the release."""
    rng = Random(f"architectures {seed} {snapshot.cluster}")
    nodes = (
        replace(node, labels=node.labels | {ARCHITECTURE_LABEL: rng.choice(ARCHITECTURES)})
        for node in snapshot.nodes
    )
    return replace(snapshot, nodes=tuple(nodes))
