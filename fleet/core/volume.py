"""Volumes of a cluster, and to which nodes they are attached."""

from __future__ import annotations

from msgspec import Struct

from fleet.core.pod import PodRef


class PersistentVolume(Struct, frozen=True, gc=False):
    name: str
    uid: str
    claim: PodRef | None = None
    """Namespace and name of the PersistentVolumeClaim that it is bound to; None: to none."""
    resource_version: str = ""


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
