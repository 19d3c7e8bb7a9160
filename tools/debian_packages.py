"""Reads the packages of Debian in the image of fleet, with what a bill of materials says of each."""

from __future__ import annotations

from collections.abc import Sequence
from email.parser import HeaderParser
from pathlib import Path

from msgspec import Struct


class DebianPackage(Struct, frozen=True):
    name: str
    version: str
    architecture: str
    """Such as `amd64`; `all` for a package that runs on each."""
    source: str
    """The name of the source package that it was built from: security advisories of Debian name that one."""


def read_packages(status: Path, names: Sequence[str]) -> tuple[DebianPackage, ...]:
    """Returns the named packages, in their order. `status` has a file for each, with its fields as `dpkg-deb -f` prints them
    (deb-control(5)). Raises FileNotFoundError for a package without a file."""
    return tuple(_package((status / name).read_text()) for name in names)


def _package(text: str) -> DebianPackage:
    fields = HeaderParser().parsestr(text)
    name = str(fields["Package"])
    # The version of the source follows in parentheses where it differs from that of the package.
    source = str(fields.get("Source", name)).partition(" ")[0]
    return DebianPackage(name, str(fields["Version"]), str(fields["Architecture"]), source)
