"""Debian's packages are read from their fields, and the bill of the image names each with its source package."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools.debian_packages import DebianPackage, read_packages
from tools.lock import DOCKERFILE, LOCK, ROOT, image_python, pinned
from tools.sbom import bill, installed

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = pinned(LOCK.read_text(), image_python(DOCKERFILE.read_text()))
STATUS = {
    "libc6": "Package: libc6\nSource: glibc\nVersion: 2.41-12\nArchitecture: amd64\nDescription: a library\n more of it\n",
    "gpgv": "Package: gpgv\nSource: gnupg2 (2.4.7-21)\nVersion: 2.4.7-21+b3\nArchitecture: amd64\n",
    "netbase": "Package: netbase\nVersion: 1:6.5\nArchitecture: all\n",
}
READ = (
    DebianPackage("libc6", "2.41-12", "amd64", "glibc"),
    DebianPackage("gpgv", "2.4.7-21+b3", "amd64", "gnupg2"),
    DebianPackage("netbase", "1:6.5", "all", "netbase"),
)


def test_fields_of_each_named_package_are_read(tmp_path: Path) -> None:
    for name, text in STATUS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "libc6.list").write_text("./lib/libc.so.6\n")
    assert read_packages(tmp_path, list(STATUS)) == READ
    with pytest.raises(FileNotFoundError):
        read_packages(tmp_path, ["dash"])


def test_bill_of_the_image_names_debians_packages_beside_pythons() -> None:
    made = bill(PROJECT, PINS, installed, READ)
    assert made == bill(PROJECT, PINS, installed, READ)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(made) is None
    purls = {each["purl"] for each in json.loads(made)["components"]}
    assert len(purls) == len(PINS) + len(READ)
    assert {purl for purl in purls if purl.startswith("pkg:deb/")} == {
        "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13&upstream=glibc",
        "pkg:deb/debian/gpgv@2.4.7-21%2Bb3?arch=amd64&distro=debian-13&upstream=gnupg2",
        "pkg:deb/debian/netbase@1:6.5?arch=all&distro=debian-13",
    }


def test_bills_of_two_images_have_serial_numbers_of_their_own() -> None:
    bills = (bill(PROJECT, PINS, installed, packages) for packages in ((), READ, READ[:2]))
    assert len({json.loads(each)["serialNumber"] for each in bills}) == 3
