"""Images have the OCI image layout, and their bytes depend on their files alone."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from fleet.lab.errors import LabError
from fleet.lab.machines.container.files import EPOCH, ImageFile, below, packed
from fleet.lab.machines.container.oci import Settings, assemble, layer, program, write_layout
from fleet.lab.machines.container.own import from_wheel
from tools.image import labels


def test_every_descriptor_names_a_blob_by_its_digest_and_the_layer_has_the_program() -> None:
    archive = program("lab.example/pause:1", "pause", b"program")
    assert archive == program("lab.example/pause:1", "pause", b"program")
    with tarfile.open(fileobj=io.BytesIO(archive)) as image:
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
    tar = gzip.decompress(blob(manifest["layers"][0]))
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(tar).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(tar)) as root:
        assert root.getnames() == ["pause"]
        assert root.getmember("pause").mode == 0o755
    assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == "lab.example/pause:1"


def test_files_are_packed_in_order_with_their_folders_and_without_times_owners_and_setuid(
    tmp_path: Path,
) -> None:
    for name, mode in (("z/tool", 0o4755), ("a.txt", 0o600)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
        path.chmod(mode)
    (tmp_path / "link").symlink_to("z")
    found = dict(below(tmp_path))
    tar = packed(
        {f"opt/{name}": file for name, file in found.items()} | {"home": ImageFile(mode=0o750, owner=7)}
    )
    with tarfile.open(fileobj=io.BytesIO(tar)) as root:
        members = root.getmembers()
    assert [(each.name, each.mode) for each in members] == [
        ("home", 0o750),
        ("opt", 0o755),
        ("opt/a.txt", 0o644),
        ("opt/link", 0o777),
        ("opt/z", 0o755),
        ("opt/z/tool", 0o755),
    ]
    assert {each.mtime for each in members} == {EPOCH}
    assert [(each.uid, each.gid) for each in members] == [(7, 7), *[(0, 0)] * 5]


def test_layout_names_user_labels_and_layers_in_order(tmp_path: Path) -> None:
    lower, upper = (
        layer(packed({"a": ImageFile(b"1")}), "lower"),
        layer(packed({"b": ImageFile(b"2")}), "upper"),
    )
    settings = Settings(("/fleet",), user="65532:65532", labels=labels("1.0", "f00", "2026-11-01T00:00:00Z"))
    image = assemble([lower, upper], settings, "arm64")
    write_layout(image, tmp_path / "image", "fleet:1.0")
    index = json.loads((tmp_path / "image/index.json").read_bytes())
    assert index["manifests"][0]["digest"] == image.manifest
    assert index["manifests"][0]["platform"]["architecture"] == "arm64"
    manifest = json.loads((tmp_path / "image/blobs" / image.manifest.replace(":", "/")).read_bytes())
    config = json.loads(image.blobs[manifest["config"]["digest"]])
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Labels"]["org.opencontainers.image.revision"] == "f00"
    assert config["rootfs"]["diff_ids"] == [lower.diff_id, upper.diff_id]
    assert [each["comment"] for each in config["history"]] == ["lower", "upper"]


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "fleet-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as out:
        out.writestr("fleet/__init__.py", "")
        out.writestr("fleet-1.dist-info/RECORD", "")
    assert from_wheel(wheel) == {"fleet/__init__.py": b""}
    wheel.write_bytes(b"PK")
    with pytest.raises(LabError):
        from_wheel(wheel)
