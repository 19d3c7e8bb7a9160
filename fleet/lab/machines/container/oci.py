"""Container images in the format of the OCI image specification: as a folder, or as an archive of it.

The same layers and settings give the same bytes with one version of zlib; another zlib may compress to other bytes, and so
to another digest, of the same layers.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from fleet.lab.errors import LabError
from fleet.lab.machines.container.files import ImageFile, packed

_MEDIA = "application/vnd.oci.image"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


class Layer(msgspec.Struct, frozen=True):
    """A compressed layer, and the digest of the tar in it."""

    compressed: bytes
    diff_id: str
    comment: str
    """Names the content of the layer in the history of the image."""


class Settings(msgspec.Struct, frozen=True):
    """The program, the environment and the user with which a container of the image starts, and its labels."""

    entrypoint: tuple[str, ...]
    environment: Mapping[str, str] = {}
    user: str = ""
    """User and group, as numbers; empty: root."""
    labels: Mapping[str, str] = {}
    created: str = ""
    """The time as in RFC 3339; empty: none."""


class ContainerImage(msgspec.Struct, frozen=True):
    """The blobs of an image by their digests; `manifest` is that of the manifest, by which the image is named."""

    manifest: str
    blobs: Mapping[str, bytes]
    architecture: str

    @property
    def size(self) -> int:
        """Returns how many bytes a node downloads."""
        return sum(len(blob) for blob in self.blobs.values())


def architecture() -> str:
    """Returns this computer's architecture by its name in images. Raises LabError for one without images."""
    name = platform.machine()
    if name not in _ARCHITECTURES:
        raise LabError(f"no image is built for {name}", f"there are images for {', '.join(_ARCHITECTURES)}")
    return _ARCHITECTURES[name]


def layer(tar: bytes, comment: str) -> Layer:
    """Returns the layer with this tar."""
    return Layer(gzip.compress(tar, 6, mtime=0), digest(tar), comment)


def assemble(layers: Sequence[Layer], settings: Settings, machine: str) -> ContainerImage:
    """Returns the image of these layers, the lowest one first. `machine`: the architecture, as in images."""
    created = {"created": settings.created} if settings.created else {}
    container: dict[str, object] = {"Entrypoint": list(settings.entrypoint)}
    if settings.environment:
        container["Env"] = [f"{key}={value}" for key, value in settings.environment.items()]
    if settings.user:
        container["User"] = settings.user
    if settings.labels:
        container["Labels"] = dict(sorted(settings.labels.items()))
    config = _json(
        {
            **created,
            "architecture": machine,
            "os": "linux",
            "config": container,
            "rootfs": {"type": "layers", "diff_ids": [each.diff_id for each in layers]},
            "history": [{**created, "comment": each.comment} for each in layers],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}.manifest.v1+json",
            "config": _described(f"{_MEDIA}.config.v1+json", config),
            "layers": [_described(f"{_MEDIA}.layer.v1.tar+gzip", each.compressed) for each in layers],
        }
    )
    blobs = (*(each.compressed for each in layers), config, manifest)
    return ContainerImage(digest(manifest), {digest(blob): blob for blob in blobs}, machine)


def archive(image: ContainerImage, name: str) -> bytes:
    """Returns the image as an archive that container runtimes import under this name, `HOST/PATH:TAG`."""
    files = {f"blobs/{key.replace(':', '/')}": blob for key, blob in image.blobs.items()}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as out:
        for path, content in {**files, "oci-layout": _LAYOUT, "index.json": _index(image, name)}.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o644
            out.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def program(name: str, command: str, content: bytes) -> bytes:
    """Returns the archive of the image `name` whose only file is /`command`, with this content, which it runs."""
    file = ImageFile(content, 0o755)
    settings = Settings(entrypoint=(f"/{command}",))
    return archive(assemble([layer(packed({command: file}), command)], settings, architecture()), name)


def write_layout(image: ContainerImage, folder: Path, name: str) -> None:
    """Writes the image into `folder` as an OCI image layout, which must not exist."""
    folder.mkdir(parents=True)
    for key, blob in image.blobs.items():
        path = folder / "blobs" / key.replace(":", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(blob)
    (folder / "oci-layout").write_bytes(_LAYOUT)
    (folder / "index.json").write_bytes(_index(image, name))


def digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _index(image: ContainerImage, name: str) -> bytes:
    manifest = image.blobs[image.manifest]
    entry = {
        **_described(f"{_MEDIA}.manifest.v1+json", manifest),
        "platform": {"architecture": image.architecture, "os": "linux"},
        "annotations": {
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": name.rpartition(":")[2],
        },
    }
    return _json({"schemaVersion": 2, "mediaType": f"{_MEDIA}.index.v1+json", "manifests": [entry]})


def _described(media_type: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest(blob), "size": len(blob)}


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
