"""Holds a node for whose CPU architecture a release has no payload."""

from __future__ import annotations

from fleet.core.objects.node import ARCHITECTURE_LABEL, Node
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import Release, built_for


def held(node: Node, release: Release) -> Held | None:
    """Returns what holds a node for whose architecture the release has no payload, or None."""
    if not release.digests or built_for(release, node.architecture) is not None:
        return None
    facts: dict[str, str | int] = {
        "release": release.version,
        "architectures": " and ".join(name for name, _ in release.digests),
        "architecture": node.architecture or "of an architecture that is not known",
    }
    if not node.architecture:
        facts["advice"] = f"set the label {ARCHITECTURE_LABEL} of {node.name}, to amd64 or arm64 for instance"
    return Held(Reason.ARCHITECTURE, node.name, facts)
