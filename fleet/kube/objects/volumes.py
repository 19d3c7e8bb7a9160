"""PersistentVolumes and their claims, from the API server's objects to core's."""

from __future__ import annotations

from sys import intern

from fleet.core.objects.placement import NodeTerm
from fleet.core.objects.pod import PodRef
from fleet.core.objects.selector import Requirement
from fleet.core.objects.volumes import PersistentVolume, PersistentVolumeClaim
from fleet.kube.objects import wire
from fleet.kube.objects.affinity import selector_terms

ZONE_LABELS = {
    "topology.kubernetes.io/zone": "",
    "topology.kubernetes.io/region": "",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}
"""Labels of a PersistentVolume that nodes have to share, and what nodes may have in the place of the older ones."""
ZONES_BETWEEN = "__"
"""Between several zones in one label."""


def persistent_volume(found: wire.PersistentVolumeWire) -> PersistentVolume:
    meta, affinity = found.metadata, found.spec.node_affinity
    labels = meta.labels or {}
    rules = [_zone_terms(key, labels[key]) for key in ZONE_LABELS if key in labels]
    if affinity is not None and affinity.required != wire.NULL:
        rules.append(selector_terms(affinity.required))
    claim = found.spec.claim_ref
    return PersistentVolume(
        name=intern(meta.name),
        uid=meta.uid,
        claim=PodRef(intern(claim.namespace), claim.name) if claim is not None else None,
        rules=tuple(rules),
        resource_version=meta.resource_version,
    )


def _zone_terms(key: str, value: str) -> tuple[NodeTerm, ...]:
    """Nodes in one of the volume's zones; where a node has no label of this kind at all, nothing is asked of it."""
    zones = tuple(value.split(ZONES_BETWEEN))
    known = {key: None, **({ZONE_LABELS[key]: None} if ZONE_LABELS[key] else {})}
    named = (NodeTerm((Requirement(each, "In", zones),)) for each in known)
    return (*named, NodeTerm(tuple(Requirement(each, "DoesNotExist") for each in ZONE_LABELS)))


def persistent_volume_claim(found: wire.PersistentVolumeClaimWire) -> PersistentVolumeClaim:
    meta = found.metadata
    return PersistentVolumeClaim(
        namespace=intern(meta.namespace),
        name=intern(meta.name),
        uid=meta.uid,
        volume=found.spec.volume_name,
        resource_version=meta.resource_version,
    )
