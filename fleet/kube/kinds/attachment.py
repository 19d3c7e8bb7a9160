"""Decodes VolumeAttachments."""

from __future__ import annotations

from sys import intern

from fleet.core.objects.attachment import Attachment
from fleet.kube.objects.errors import one_line
from fleet.kube.objects.sharing import MESSAGE_MOST
from fleet.kube.objects.wire import ApiStruct, Meta


class AttachmentSource(ApiStruct, frozen=True):
    persistent_volume_name: str | None = None


class AttachmentSpec(ApiStruct, frozen=True):
    attacher: str = ""
    node_name: str = ""
    source: AttachmentSource = AttachmentSource()


class VolumeError(ApiStruct, frozen=True):
    message: str = ""


class AttachmentStatus(ApiStruct, frozen=True):
    attached: bool = False
    detach_error: VolumeError | None = None


class AttachmentWire(ApiStruct, frozen=True):
    metadata: Meta = Meta()
    spec: AttachmentSpec = AttachmentSpec()
    status: AttachmentStatus = AttachmentStatus()


def attachment_of(found: AttachmentWire) -> Attachment:
    """Converts a VolumeAttachment."""
    meta, spec, status = found.metadata, found.spec, found.status
    error = status.detach_error.message if status.detach_error is not None else ""
    return Attachment(
        name=meta.name,
        uid=meta.uid,
        node=intern(spec.node_name),
        volume=spec.source.persistent_volume_name or "",
        attacher=intern(spec.attacher),
        attached=status.attached,
        deleting=meta.deletion_timestamp is not None,
        error=one_line(error, MESSAGE_MOST),
        resource_version=meta.resource_version,
    )
