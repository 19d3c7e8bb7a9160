"""Prints the software bill of materials of the image's Python packages, as CycloneDX 1.6 in JSON: `make sbom`.

It is made from the lock file that the image is built from, so it says what is installed there, and with which hashes. The
licences are what the packages of this environment say of themselves; of one that is here in another version none is told.
The same lock, environment and version of fleet give the same bytes. What the base image holds is not in it.
"""

from __future__ import annotations

import tomllib
import uuid
from collections.abc import Callable, Sequence
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from typing import Any

from cyclonedx.contrib.hash.factories import HashTypeFactory
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.lock import DOCKERFILE, LOCK, ROOT, Pinned, image_python, pinned

_NAMESPACE = uuid.UUID("6b3c2d0e-7a55-5c0f-9f0c-0d7b8f5f3f11")
"""Of the serial numbers of these bills."""

Told = Callable[[str], PackageMetadata | None]
"""What the package of this name says of itself; None where it is not installed."""


def installed(name: str) -> PackageMetadata | None:
    try:
        return metadata(name)
    except PackageNotFoundError:
        return None


def licence(pin: Pinned, told: Told) -> str:
    """An SPDX expression or the words of the package's authors; empty where nothing is told of this version."""
    found = told(pin.name)
    if found is None or found["Version"] != pin.version:
        return ""
    if "License-Expression" in found:
        return str(found["License-Expression"])
    classified = [
        each.rpartition(" :: ")[2]
        for each in found.get_all("Classifier", ())
        if each.startswith("License ::")
    ]
    named = str(found["License"]).strip() if "License" in found else ""
    # Old builders write UNKNOWN; the field may also hold the whole text of a licence.
    return named if named not in ("", "UNKNOWN") and "\n" not in named else " OR ".join(sorted(classified))


def bill(project: dict[str, Any], pins: Sequence[Pinned], told: Told) -> str:
    """`project`: the table of pyproject.toml. JSON with a line feed at its end."""
    root = Component(
        name=str(project["name"]),
        version=str(project["version"]),
        type=ComponentType.APPLICATION,
        bom_ref=str(project["name"]),
        licenses=[LicenseFactory().make_from_string(str(project["license"]))],
    )
    parts = {pin.name: _component(pin, licence(pin, told)) for pin in pins}
    bom = Bom(components=parts.values(), serial_number=uuid.uuid5(_NAMESPACE, repr((root.version, pins))))
    bom.metadata.component = root
    # The time of making would make two bills of one image differ.
    bom.metadata.timestamp = None  # type: ignore[assignment]
    direct = sorted(name for name in _direct(project) if name in parts)
    bom.dependencies.add(Dependency(root.bom_ref, [Dependency(parts[name].bom_ref) for name in direct]))
    return str(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)) + "\n"


def _component(pin: Pinned, words: str) -> Component:
    hashes = HashTypeFactory()
    purl = PackageURL("pypi", name=pin.name, version=pin.version)
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(f"https://pypi.org/project/{pin.name}/{pin.version}/#files"),
        hashes=[hashes.from_composite_str(f"{algorithm}:{digest}") for algorithm, digest in pin.hashes],
    )
    return Component(
        name=pin.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(purl),
        purl=purl,
        licenses=[LicenseFactory().make_from_string(words)] if words else [],
        external_references=[files],
    )


def _direct(project: dict[str, Any]) -> set[str]:
    lists = (project["dependencies"], *project["optional-dependencies"].values())
    return {canonicalize_name(Requirement(each).name) for some in lists for each in some}


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = pinned(LOCK.read_text(), image_python(DOCKERFILE.read_text()))
    print(bill(project, pins, installed), end="")


if __name__ == "__main__":
    main()
