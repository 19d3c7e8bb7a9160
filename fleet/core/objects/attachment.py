"""Volumes that are attached to nodes."""

from __future__ import annotations

from msgspec import Struct


class Attachment(Struct, frozen=True, gc=False):
    """A VolumeAttachment: the request that a CSI driver attaches a volume to a node, or detaches it from the node."""

    name: str
    uid: str
    node: str
    volume: str = ""
    """Name of the PersistentVolume; empty if the volume's specification is inline in the attachment."""
    attacher: str = ""
    """Name of the CSI driver, such as `ebs.csi.aws.com`."""
    attached: bool = False
    deleting: bool = False
    """True while the volume is being detached (the attachment has a deletionTimestamp)."""
    error: str = ""
    """Message of the last failed detach; empty if no detach has failed."""
    resource_version: str = ""

    @property
    def may_be_attached(self) -> bool:
        """True if the volume is attached, or may still be attached because the driver has not confirmed the detach."""
        return self.attached or self.deleting
