"""Reads what a release contains from its software bill of materials (SBOM): CycloneDX or SPDX, as JSON.

Sources: CycloneDX 1.4 to 1.7 (`components`), SPDX 2.2 and 2.3 (`packages`), package URLs (purl). A package is known by its
own name and by that of its source package, which RPM and Debian packages name in the qualifier `upstream`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from fleet.core.exposure.package_url import package_url
from fleet.core.records.errors import UsageError
from fleet.core.versions import dpkg, rpm, semantic

Text = Annotated[str, Meta(max_length=2048)]


class ContainedPackage(Struct, frozen=True, gc=False):
    """One package of a release."""

    name: str
    version: str
    """With epoch and release, where its kind has them."""
    kind: str = ""
    """The type of its package URL: `rpm`, `deb`, `golang`; empty if it has none."""

    def compare(self, wanted: str) -> int | None:
        """Returns the order of the version against `wanted`; None if the two cannot be compared. `wanted` without a
        release (`3.2.4`) is compared with the upstream version alone, and without an epoch as if it had the same."""
        own = self.version
        if self.kind in ("rpm", "deb"):
            if ":" not in wanted:
                own = own.rpartition(":")[2]
            if "-" not in wanted:
                own = own.rpartition("-")[0] or own
            return rpm.compare(own, wanted) if self.kind == "rpm" else dpkg.compare(own, wanted)
        return semantic.compare(own, wanted)


class ReleaseContents(Struct, frozen=True):
    """The packages of a release, by their names and those of their source packages."""

    source: str
    """The file that says so."""
    packages: dict[str, tuple[ContainedPackage, ...]]


class _Component(Struct, frozen=True):
    name: Text = ""
    version: Text = ""
    purl: Text = ""
    external: bool = field(name="isExternal", default=False)
    """True: the environment is to provide the component; it is no part of what the SBOM is about (CycloneDX 1.7)."""
    components: tuple[_Component, ...] = ()


class _CycloneDx(Struct, frozen=True):
    components: tuple[_Component, ...] = ()


class _Reference(Struct, frozen=True):
    kind: Text = field(name="referenceType", default="")
    locator: Text = field(name="referenceLocator", default="")


class _Package(Struct, frozen=True):
    name: Text
    version: Text = field(name="versionInfo", default="")
    references: tuple[_Reference, ...] = field(name="externalRefs", default=())


class _Spdx(Struct, frozen=True):
    packages: tuple[_Package, ...] = ()


DEEPEST = 50
_FORMATS = "expected an SBOM as JSON: CycloneDX 1.4 to 1.7, or SPDX 2.2 or 2.3"


def read_contents(text: bytes, name: str) -> ReleaseContents:
    """Returns the packages that an SBOM names. `name` is the file's name, for errors. Raises UsageError for a text that
    is none, or that names no package at all: nobody would be safe by such a file."""
    try:
        found: Any = msgspec.json.decode(text)
        if isinstance(found, dict) and found.get("bomFormat") == "CycloneDX":
            packages = list(_of_cyclonedx(msgspec.convert(found, _CycloneDx).components, 0))
        elif isinstance(found, dict) and str(found.get("spdxVersion", "")).startswith("SPDX-2."):
            packages = [_of_spdx(package) for package in msgspec.convert(found, _Spdx).packages]
        else:
            raise UsageError(f"{name} is no SBOM in a format that fleet reads", _FORMATS)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError) as error:
        raise UsageError(f"{name} cannot be read as an SBOM: {error}", _FORMATS) from None
    by_name: dict[str, dict[ContainedPackage, None]] = {}
    for names, package in packages:
        for each in names:
            by_name.setdefault(each, {})[package] = None
    if not by_name:
        raise UsageError(f"{name} names no package", _FORMATS)
    return ReleaseContents(name, {each: tuple(found) for each, found in by_name.items()})


Named = tuple[tuple[str, ...], ContainedPackage]


def _of_cyclonedx(components: tuple[_Component, ...], depth: int) -> Iterator[Named]:
    if depth > DEEPEST:
        raise msgspec.ValidationError(f"components are nested deeper than {DEEPEST}")
    for component in components:
        if component.external:
            continue
        if component.name:
            yield _named(component.name, component.version, component.purl)
        yield from _of_cyclonedx(component.components, depth + 1)


def _of_spdx(package: _Package) -> Named:
    purl = next((each.locator for each in package.references if each.kind == "purl"), "")
    return _named(package.name, package.version, purl)


def _named(name: str, version: str, purl: str) -> Named:
    """Returns a package with its names. The package URL counts before the name and version beside it."""
    package = package_url(purl)
    if package is None:
        return (name,), ContainedPackage(name, version)
    own, name = package.version or version, package.name or name
    if (epoch := package.qualifiers.get("epoch")) and ":" not in own:
        own = f"{epoch}:{own}"
    upstream = package.qualifiers.get("upstream", "").partition("@")[0].removesuffix(".src.rpm")
    source = upstream.rsplit("-", 2)[0] if package.kind == "rpm" else upstream
    return tuple(dict.fromkeys(filter(None, (name, source)))), ContainedPackage(name, own, package.kind)
