"""Prints the software bill of materials of the image's Python packages, as CycloneDX 1.6 in JSON: `make sbom`.

It is made from the lock file that the image is built from, so it names the packages that are installed there, with their
hashes. The licences are read from the metadata of the packages in this environment; a package that is here in another
version gets no licence. The same lock, environment and version of fleet give the same bytes. `make sbom` needs no image, and
leaves out Debian's packages, which are the newest of their suite at the time of a build; `make image` writes the bill of the
image that it builds, with both.
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

from tools.debian_packages import DebianPackage
from tools.lock import DOCKERFILE, LOCK, ROOT, Pinned, image_python, pinned

_NAMESPACE = uuid.UUID("6b3c2d0e-7a55-5c0f-9f0c-0d7b8f5f3f11")
"""The namespace of the serial numbers of these bills."""

_DEBIAN_RELEASE = "debian-13"
"""The release of `debian.SUITE`, as package URLs have it."""

ReadMetadata = Callable[[str], PackageMetadata | None]
"""Returns the metadata of the package of this name; None: it is not installed."""


def installed(name: str) -> PackageMetadata | None:
    try:
        return metadata(name)
    except PackageNotFoundError:
        return None


def licence(pin: Pinned, read_metadata: ReadMetadata) -> str:
    """Returns an SPDX expression or the text of the package's authors; empty: the licence of this version is not known."""
    package = read_metadata(pin.name)
    if package is None or package["Version"] != pin.version:
        return ""
    if "License-Expression" in package:
        return str(package["License-Expression"])
    classifiers = [
        classifier.rpartition(" :: ")[2]
        for classifier in package.get_all("Classifier", ())
        if classifier.startswith("License ::")
    ]
    licence_field = str(package["License"]).strip() if "License" in package else ""
    # Old builders write UNKNOWN; the field may also hold the whole text of a licence.
    return (
        licence_field
        if licence_field not in ("", "UNKNOWN") and "\n" not in licence_field
        else " OR ".join(sorted(classifiers))
    )


def bill(
    project: dict[str, Any],
    pins: Sequence[Pinned],
    read_metadata: ReadMetadata,
    packages: Sequence[DebianPackage] = (),
) -> str:
    """Returns the bill as JSON with a line feed at its end. `project`: the table of pyproject.toml; `packages`: those of the
    image that the bill is of."""
    root = Component(
        name=str(project["name"]),
        version=str(project["version"]),
        type=ComponentType.APPLICATION,
        bom_ref=str(project["name"]),
        licenses=[LicenseFactory().make_from_string(str(project["license"]))],
    )
    parts = {pin.name: _component(pin, licence(pin, read_metadata)) for pin in pins}
    listed = (root.version, pins, packages) if packages else (root.version, pins)
    bom = Bom(
        components=[*parts.values(), *map(_debian_component, packages)],
        serial_number=uuid.uuid5(_NAMESPACE, repr(listed)),
    )
    bom.metadata.component = root
    # A timestamp would make two bills of one image differ.
    bom.metadata.timestamp = None  # type: ignore[assignment]
    direct = sorted(name for name in _direct(project) if name in parts)
    bom.dependencies.add(Dependency(root.bom_ref, [Dependency(parts[name].bom_ref) for name in direct]))
    return str(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)) + "\n"


def _component(pin: Pinned, licence_text: str) -> Component:
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
        licenses=[LicenseFactory().make_from_string(licence_text)] if licence_text else [],
        external_references=[files],
    )


def _debian_component(package: DebianPackage) -> Component:
    """Returns the component of a package of Debian. Its licences are in the image, in usr/share/doc/NAME/copyright, not all
    of them in a form for programs, so the bill names none.

    Vulnerabilities are known by source package: `upstream` names it where it differs, as syft writes and grype reads it.
    Source: the definition of the type deb in the package URL specification."""
    qualifiers = {"arch": package.architecture, "distro": _DEBIAN_RELEASE}
    if package.source != package.name:
        qualifiers["upstream"] = package.source
    purl = PackageURL("deb", "debian", package.name, package.version, qualifiers)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(purl),
        purl=purl,
    )


def _direct(project: dict[str, Any]) -> set[str]:
    lists = (project["dependencies"], *project["optional-dependencies"].values())
    return {
        canonicalize_name(Requirement(requirement).name)
        for requirements in lists
        for requirement in requirements
    }


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = pinned(LOCK.read_text(), image_python(DOCKERFILE.read_text()))
    print(bill(project, pins, installed), end="")


if __name__ == "__main__":
    main()
