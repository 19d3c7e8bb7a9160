"""The attach/detach controller and the CSI drivers: they attach a volume where a pod uses it, and detach it afterwards.

It handles only volumes that have an attachment in the snapshot, or that `attachable` was called for: others need none.
"""

from __future__ import annotations

from random import Random

from fleet.core.objects.attachment import Attachment
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.objects.volumes import PersistentVolume
from fleet.model.behaviour import ClusterBehaviour, draw
from fleet.model.event_queue import EventQueue
from fleet.model.objects import Objects, WorkloadKey

ATTACHER = "csi.sim.internal"


class AttachController:
    def __init__(self, objects: Objects, timeline: EventQueue, rng: Random) -> None:
        self.behaviour = ClusterBehaviour()
        self.claims: set[PodRef] = set()
        """Claims whose volume is attached to nodes."""
        self.stuck: dict[str, str] = {}
        """Nodes from which no volume is detached, each with the driver's message."""
        self._bound = {
            volume.claim: volume for volume in objects.volumes.values() if volume.claim is not None
        }
        self._objects = objects
        self._timeline = timeline
        self._rng = rng
        objects.pod_listeners.append(self._pod_changed)

    def begin(self) -> None:
        """Detaches the volumes of the snapshot that no pod of their node uses."""
        claims = (self._claim_of(attachment) for attachment in self._objects.attachments.values())
        self.claims |= {claim for claim in claims if claim is not None}
        for attachment in self._objects.attachments.values():
            self._queue_detach(attachment)

    def attachable(self, claim: PodRef) -> None:
        """Makes the claim's volume attachable, and attaches the volume to the nodes whose pods use it."""
        self.claims.add(claim)
        for pod in list(self._objects.pods.values()):
            self._attach(pod)

    def stay(self, node: str, why: str) -> None:
        """Stops detaching volumes from this node."""
        self.stuck[node] = why
        for attachment in self._objects.attachments_on(node):
            if attachment.deleting:
                self._objects.put_attachment(attachment, error=why)

    def let_go(self, node: str) -> None:
        """Detaches volumes from this node again."""
        self.stuck.pop(node, None)
        for attachment in self._objects.attachments_on(node):
            self._queue_detach(attachment)

    def detached(self, name: str) -> None:
        """Ends a detach that the driver has answered."""
        attachment = self._objects.attachments.get(name)
        if attachment is None or self._used(attachment):
            return
        if why := self.stuck.get(attachment.node):
            self._objects.put_attachment(attachment, deleting=True, error=why)
        else:
            self._objects.drop_attachment(attachment)

    def node_gone(self, node: str) -> None:
        for attachment in self._objects.attachments_on(node):
            self._objects.drop_attachment(attachment)

    def _pod_changed(self, _: PodRef, key: WorkloadKey | None, old: Pod | None, new: Pod | None) -> None:
        if new is None:
            if old is not None and old.mounted and old.node:
                for attachment in self._objects.attachments_on(old.node):
                    self._queue_detach(attachment)
        elif new.node and (old is None or not old.node):
            self._attach(new)

    def _attach(self, pod: Pod) -> None:
        for claim in pod.mounted:
            ref = PodRef(pod.namespace, claim)
            if not pod.node or ref not in self.claims:
                continue
            volume = self._volume_of(ref)
            if any(existing.volume == volume.name for existing in self._objects.attachments_on(pod.node)):
                continue
            name = f"csi-{volume.name}-{pod.node}"
            attachment = Attachment(name, f"uid-{name}", pod.node, volume.name, ATTACHER, attached=True)
            self._objects.put_attachment(attachment)

    def _queue_detach(self, attachment: Attachment) -> None:
        """Queues the detach of a volume that no pod uses any more."""
        if not self._used(attachment):
            delay = draw(self.behaviour.detach, self._rng, attachment.volume)
            self._timeline.add(self._objects.now + delay, "detached", attachment.name)

    def _used(self, attachment: Attachment) -> bool:
        """Returns whether a pod of the node uses the volume. If its claim is not known, any pod that has claims
        counts."""
        claim = self._claim_of(attachment)
        pods = (self._objects.pods[ref] for ref in self._objects.pods_on(attachment.node))
        used = {PodRef(pod.namespace, name) for pod in pods for name in pod.mounted}
        return claim in used if claim is not None else bool(used)

    def _claim_of(self, attachment: Attachment) -> PodRef | None:
        volume = self._objects.volumes.get(attachment.volume)
        return volume.claim if volume is not None else None

    def _volume_of(self, claim: PodRef) -> PersistentVolume:
        volume = self._bound.get(claim)
        if volume is None:
            name = f"pvc-{claim.namespace}-{claim.name}"
            volume = self._bound[claim] = PersistentVolume(name, f"uid-{name}", claim)
            self._objects.put_volume(volume)
        return volume
