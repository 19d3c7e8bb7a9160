"""Persistent volumes: which nodes can use them, and which claim has which."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from fleet.core.objects.placement import NodeTerm
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.records.doubt import Doubt, DoubtKind

Terms = tuple[NodeTerm, ...]
"""One of them must match the node."""


class PersistentVolume(Struct, frozen=True, gc=False):
    name: str
    uid: str
    claim: PodRef | None = None
    """Namespace and name of the PersistentVolumeClaim that it is bound to; None: to none."""
    rules: tuple[Terms, ...] = ()
    """Each must be met by a node that is to use the volume: the volume's node affinity, and its labels of zone and
    region. Empty: every node can."""
    resource_version: str = ""


class PersistentVolumeClaim(Struct, frozen=True, gc=False):
    namespace: str
    name: str
    uid: str
    volume: str = ""
    """Name of the PersistentVolume; empty: none is bound yet."""
    resource_version: str = ""

    @property
    def ref(self) -> PodRef:
        return PodRef(self.namespace, self.name)


class ClusterVolumes:
    """Those of one cluster."""

    def __init__(self) -> None:
        self._volumes: dict[str, PersistentVolume] = {}
        self._claims: dict[PodRef, PersistentVolumeClaim] = {}

    def upsert(self, thing: PersistentVolume | PersistentVolumeClaim) -> None:
        match thing:
            case PersistentVolume():
                self._volumes[thing.name] = thing
            case PersistentVolumeClaim():
                self._claims[thing.ref] = thing

    def delete(self, thing: PersistentVolume | PersistentVolumeClaim) -> None:
        match thing:
            case PersistentVolume():
                self._volumes.pop(thing.name, None)
            case PersistentVolumeClaim():
                self._claims.pop(thing.ref, None)

    def named(self, name: str) -> PersistentVolume | None:
        return self._volumes.get(name)

    def rules(self, pod: Pod) -> tuple[Terms, ...]:
        """What the pod's volumes ask of its node, as far as they are known. Source: kube-scheduler, plugins
        volumebinding and volumezone."""
        found: dict[Terms, None] = {}
        for name in pod.claims:
            claim = self._claims.get(PodRef(pod.namespace, name))
            volume = self._volumes.get(claim.volume) if claim is not None else None
            if volume is not None:
                found.update(dict.fromkeys(volume.rules))
        return tuple(found)

    def doubts(self, pod: Pod) -> Iterator[Doubt]:
        """All that cannot be known about where the pod can land."""
        yield from pod.doubts
        for name in pod.claims:
            claim = self._claims.get(PodRef(pod.namespace, name))
            if claim is None:
                yield Doubt(DoubtKind.CLAIM_UNREAD, name)
            elif not claim.volume:
                yield Doubt(DoubtKind.CLAIM_UNBOUND, name)
            elif claim.volume not in self._volumes:
                yield Doubt(DoubtKind.VOLUME_UNREAD, f"{name} ({claim.volume})")
