"""Volumes that are attached to nodes."""

from __future__ import annotations

from msgspec import Struct


class Attachment(Struct, frozen=True, gc=False):
    """A VolumeAttachment: a CSI driver attaches, or detaches, a volume at a node."""

    name: str
    uid: str
    node: str
    volume: str = ""
    """Name of the PersistentVolume; empty where the volume is written in the attachment itself."""
    attacher: str = ""
    """The CSI driver, such as `ebs.csi.aws.com`."""
    attached: bool = False
    deleting: bool = False
    """It is being detached."""
    error: str = ""
    """Why detaching failed the last time; empty: it has not failed."""
    resource_version: str = ""

    @property
    def there(self) -> bool:
        """The volume is attached, or may be until the driver has answered."""
        return self.attached or self.deleting
