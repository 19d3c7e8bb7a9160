"""Persistent volumes: which nodes can use a volume, and which claim is bound to which volume."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from fleet.core.objects.placement import NodeTerm
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.records.doubt import Doubt, DoubtKind

Terms = tuple[NodeTerm, ...]
"""Node terms, at least one of which must match the node."""


class PersistentVolume(Struct, frozen=True, gc=False):
    """A PersistentVolume of a cluster."""

    name: str
    uid: str
    claim: PodRef | None = None
    """Namespace and name of the PersistentVolumeClaim that the volume is bound to; None if the volume is not bound."""
    rules: tuple[Terms, ...] = ()
    """Rules that a node must meet, all of them, to use the volume: the volume's node affinity, and its labels of zone
    and region. Empty if every node can."""
    resource_version: str = ""


class PersistentVolumeClaim(Struct, frozen=True, gc=False):
    """A PersistentVolumeClaim of a cluster."""

    namespace: str
    name: str
    uid: str
    volume: str = ""
    """Name of the bound PersistentVolume; empty while no volume is bound."""
    resource_version: str = ""

    @property
    def ref(self) -> PodRef:
        return PodRef(self.namespace, self.name)


class ClusterVolumes:
    """The persistent volumes and claims of one cluster."""

    def __init__(self) -> None:
        self._volumes: dict[str, PersistentVolume] = {}
        self._claims: dict[PodRef, PersistentVolumeClaim] = {}

    def upsert(self, obj: PersistentVolume | PersistentVolumeClaim) -> None:
        """Adds a volume or claim, or replaces the one with the same name."""
        match obj:
            case PersistentVolume():
                self._volumes[obj.name] = obj
            case PersistentVolumeClaim():
                self._claims[obj.ref] = obj

    def delete(self, obj: PersistentVolume | PersistentVolumeClaim) -> None:
        """Removes a volume or claim if it is known."""
        match obj:
            case PersistentVolume():
                self._volumes.pop(obj.name, None)
            case PersistentVolumeClaim():
                self._claims.pop(obj.ref, None)

    def named(self, name: str) -> PersistentVolume | None:
        """Returns the volume of this name; None if there is none."""
        return self._volumes.get(name)

    def rules(self, pod: Pod) -> tuple[Terms, ...]:
        """Returns the rules that a node must meet for the pod's volumes; volumes that are not known are left out.

        Source: kube-scheduler, plugins volumebinding and volumezone.
        """
        terms: dict[Terms, None] = {}
        for name in pod.claims:
            claim = self._claims.get(PodRef(pod.namespace, name))
            volume = self._volumes.get(claim.volume) if claim is not None else None
            if volume is not None:
                terms.update(dict.fromkeys(volume.rules))
        return tuple(terms)

    def doubts(self, pod: Pod) -> Iterator[Doubt]:
        """Yields everything about the pod's placement that fleet cannot know, its volumes included."""
        yield from pod.doubts
        for name in pod.claims:
            claim = self._claims.get(PodRef(pod.namespace, name))
            if claim is None:
                yield Doubt(DoubtKind.CLAIM_UNREAD, name)
            elif not claim.volume:
                yield Doubt(DoubtKind.CLAIM_UNBOUND, name)
            elif claim.volume not in self._volumes:
                yield Doubt(DoubtKind.VOLUME_UNREAD, f"{name} ({claim.volume})")
