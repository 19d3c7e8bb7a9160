"""The bill of materials lists what the lock file pins, each package once, with its hashes."""

from __future__ import annotations

import json
import re
import tomllib
from email.message import Message
from importlib.metadata import PackageMetadata
from typing import Any, cast

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools.lock import DOCKERFILE, LOCK, ROOT, LockError, Pinned, image_python, pinned
from tools.sbom import bill, installed, licence

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = pinned(LOCK.read_text(), image_python(DOCKERFILE.read_text()))


def package_metadata(**fields: str) -> PackageMetadata:
    message = Message()
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    return cast(PackageMetadata, message)


def test_every_pinned_package_is_listed_with_its_version_and_hashes() -> None:
    bom: dict[str, Any] = json.loads(bill(PROJECT, PINS, installed))
    text = LOCK.read_text()
    by_name = {each["name"]: each for each in bom["components"]}
    assert len(by_name) == len(bom["components"]) == len(PINS) > 50
    for pin in PINS:
        component = by_name[pin.name]
        assert component["purl"] == f"pkg:pypi/{pin.name}@{pin.version}"
        (files,) = component["externalReferences"]
        hashes = {each["content"] for each in files["hashes"] if each["alg"] == "SHA-256"}
        # By another reading of the file than the one that made it.
        block = text[re.search(rf"^{re.escape(pin.name)}=={re.escape(pin.version)}\b", text, re.M).start() :]  # type: ignore[union-attr]
        block = block.partition("\n    --hash")[1] + block.partition("\n    --hash")[2]
        block = re.split(r"^\S", block, maxsplit=1, flags=re.M)[0]
        assert hashes == set(re.findall(r"sha256:(\w+)", block)) != set()
    assert (bom["metadata"]["component"]["name"], bom["metadata"]["component"]["version"]) == (
        PROJECT["name"],
        PROJECT["version"],
    )
    (root,) = [each for each in bom["dependencies"] if each["ref"] == "fleet"]
    assert {"pkg:pypi/paramiko@", "pkg:pypi/ansible-runner@"} <= {
        re.sub("@.*", "@", each) for each in root["dependsOn"]
    }


def test_document_is_valid_and_reproducible() -> None:
    made = bill(PROJECT, PINS, installed)
    assert made == bill(PROJECT, PINS, installed)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(made) is None
    other = (*PINS[1:], Pinned("x", "1", (("sha256", "00" * 32),)))
    serials = {json.loads(each)["serialNumber"] for each in (made, bill(PROJECT, other, installed))}
    assert len(serials) == 2


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (None, ""),
        (
            package_metadata(Version="1", License_Expression="MIT OR Apache-2.0", License="x"),
            "MIT OR Apache-2.0",
        ),
        (package_metadata(Version="1", License="BSD-3-Clause"), "BSD-3-Clause"),
        (
            package_metadata(
                Version="1", License="UNKNOWN", Classifier="License :: OSI Approved :: MIT License"
            ),
            "MIT License",
        ),
        (
            package_metadata(Version="1", License="A whole\ntext", Classifier="License :: OSI Approved :: X"),
            "X",
        ),
        (package_metadata(Version="1"), ""),
        (package_metadata(Version="2", License="MIT"), ""),
    ],
)
def test_licence_is_that_of_this_version(metadata: PackageMetadata | None, expected: str) -> None:
    assert licence(Pinned("x", "1"), lambda name: metadata) == expected


def test_package_with_markers_is_the_one_for_the_images_python() -> None:
    text = "".join(
        f"x=={version} ; {marker} \\\n    --hash=sha256:{'00' * 32}\n"
        for version, marker in (
            ("1", "python_full_version < '3.12'"),
            ("2", "python_full_version >= '3.12'"),
            ("3", "sys_platform == 'win32'"),
        )
    )
    assert [each.version for each in pinned(text, "3.11")] == ["1"]
    assert [each.version for each in pinned(text, "3.13")] == ["2"]


@pytest.mark.parametrize("line", ["x==1", "x>=1 --hash=sha256:00", "x --hash=sha256:00", "-r other.txt"])
def test_line_without_a_pin_is_refused(line: str) -> None:
    with pytest.raises(LockError):
        pinned(line, "3.13")
