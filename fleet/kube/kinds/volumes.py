"""Decodes PersistentVolumes and their claims."""

from __future__ import annotations

from sys import intern

from msgspec import Raw

from fleet.core.objects.placement import NodeTerm
from fleet.core.objects.pod import PodRef
from fleet.core.objects.selector import Requirement
from fleet.core.objects.volumes import PersistentVolume, PersistentVolumeClaim
from fleet.kube.kinds.pods.affinity import selector_terms
from fleet.kube.objects.wire import NULL, ApiStruct, Meta

ZONE_LABELS = {
    "topology.kubernetes.io/zone": "",
    "topology.kubernetes.io/region": "",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}
"""Labels of a PersistentVolume that its nodes must share, and the newer labels that nodes may have in place of old
ones."""
ZONES_BETWEEN = "__"
"""Separates several zones in one label."""


class PersistentVolumeClaimSpec(ApiStruct, frozen=True):
    volume_name: str = ""


class PersistentVolumeClaimWire(ApiStruct, frozen=True):
    metadata: Meta = Meta()
    spec: PersistentVolumeClaimSpec = PersistentVolumeClaimSpec()


class VolumeAffinity(ApiStruct, frozen=True):
    required: Raw = NULL
    """The required node selector terms."""


class ClaimReference(ApiStruct, frozen=True):
    namespace: str = ""
    name: str = ""


class PersistentVolumeSpec(ApiStruct, frozen=True):
    claim_ref: ClaimReference | None = None
    node_affinity: VolumeAffinity | None = None


class PersistentVolumeWire(ApiStruct, frozen=True):
    metadata: Meta = Meta()
    spec: PersistentVolumeSpec = PersistentVolumeSpec()


def persistent_volume(found: PersistentVolumeWire) -> PersistentVolume:
    """Converts a PersistentVolume, with the terms for nodes on which it can be used."""
    meta, affinity = found.metadata, found.spec.node_affinity
    labels = meta.labels or {}
    rules = [_zone_terms(key, labels[key]) for key in ZONE_LABELS if key in labels]
    if affinity is not None and affinity.required != NULL:
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
    """Returns terms for the nodes in one of the volume's zones. A node without any label of this kind need not
    match."""
    zones = tuple(value.split(ZONES_BETWEEN))
    known = {key: None, **({ZONE_LABELS[key]: None} if ZONE_LABELS[key] else {})}
    named = (NodeTerm((Requirement(label, "In", zones),)) for label in known)
    return (*named, NodeTerm(tuple(Requirement(label, "DoesNotExist") for label in ZONE_LABELS)))


def persistent_volume_claim(found: PersistentVolumeClaimWire) -> PersistentVolumeClaim:
    """Converts a PersistentVolumeClaim."""
    meta = found.metadata
    return PersistentVolumeClaim(
        namespace=intern(meta.namespace),
        name=intern(meta.name),
        uid=meta.uid,
        volume=found.spec.volume_name,
        resource_version=meta.resource_version,
    )
