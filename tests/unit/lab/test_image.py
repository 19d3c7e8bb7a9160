"""Images made by hand have the OCI image layout."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile

from fleet.lab.machines.container.oci import program as archive


def test_every_descriptor_names_a_blob_by_its_digest_and_the_layer_has_the_program() -> None:
    packed = archive("lab.example/pause:1", "pause", b"program")
    assert packed == archive("lab.example/pause:1", "pause", b"program")
    with tarfile.open(fileobj=io.BytesIO(packed)) as image:
        files = {member.name: image.extractfile(member).read() for member in image}  # type: ignore[union-attr]
    index = json.loads(files["index.json"])

    def blob(described: dict[str, object]) -> bytes:
        content = files[f"blobs/sha256/{str(described['digest']).removeprefix('sha256:')}"]
        assert (len(content), f"sha256:{hashlib.sha256(content).hexdigest()}") == (
            described["size"],
            described["digest"],
        )
        return content

    manifest = json.loads(blob(index["manifests"][0]))
    config = json.loads(blob(manifest["config"]))
    layer = gzip.decompress(blob(manifest["layers"][0]))
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as root:
        assert root.getnames() == ["pause"]
        assert root.getmember("pause").mode == 0o755
    assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == "lab.example/pause:1"
