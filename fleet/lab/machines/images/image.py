"""Makes an image of one program as an OCI archive, without a registry and without a builder."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence

_LARGE = 16 << 20
"""Layers above this size in bytes are compressed quickly rather than well."""


def archive(name: str, program: str, content: bytes) -> bytes:
    """Returns the archive of the image `name` whose entry point is the file /`program` with this content.

    The same arguments give the same bytes. Source: the OCI image specification, image layout and manifest.
    """
    return packed(name, _tar({program: content}, mode=0o755), entrypoint=(f"/{program}",))


def packed(
    name: str, layer: bytes, *, entrypoint: Sequence[str], environment: Mapping[str, str] | None = None
) -> bytes:
    """Returns the archive of the image `name` with one layer, a tar."""
    settings: dict[str, object] = {"Entrypoint": list(entrypoint)}
    if environment:
        settings["Env"] = [f"{key}={value}" for key, value in environment.items()]
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    compressed = gzip.compress(layer, 6 if len(layer) < _LARGE else 1, mtime=0)
    media = "application/vnd.oci.image"
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{media}.manifest.v1+json",
            "config": _described(f"{media}.config.v1+json", config),
            "layers": [_described(f"{media}.layer.v1.tar+gzip", compressed)],
        }
    )
    entry = {
        **_described(f"{media}.manifest.v1+json", manifest),
        "platform": {"architecture": "amd64", "os": "linux"},
        "annotations": {
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": name.split(":")[1],
        },
    }
    index = _json({"schemaVersion": 2, "mediaType": f"{media}.index.v1+json", "manifests": [entry]})
    blobs = {f"blobs/sha256/{_digest(blob).split(':')[1]}": blob for blob in (config, compressed, manifest)}
    return _tar({**blobs, "oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index}, mode=0o644)


def _described(media_type: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _tar(files: Mapping[str, bytes], mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as out:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            out.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
