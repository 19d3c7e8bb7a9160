"""Reads the lock file of the image: its packages with their versions and hashes.

The format is that of pip's requirement files, as `make lock` writes them: `name==version ; marker`, then hashes.
"""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "deploy" / "requirements.lock"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
_HASH = re.compile(r"--hash=(\w+):([0-9a-f]+)")


class LockError(Exception):
    """The file is not a lock file: one of its lines pins nothing."""


class Pinned(Struct, frozen=True):
    name: str
    """The normalized name, as in package indexes: lower case, with dashes."""
    version: str
    hashes: tuple[tuple[str, str], ...] = ()
    """The algorithm and the hexadecimal digest of each file of this version."""


def image_python(dockerfile: str) -> str:
    """Returns the version of Python in the image, such as `3.13`. Raises LockError if the Dockerfile names none."""
    versions = re.findall(r"^ARG BASE=python:(\d+\.\d+)", dockerfile, re.MULTILINE)
    if len(versions) != 1:
        raise LockError("deploy/Dockerfile: its base is no Python")
    return str(versions[0])


def pinned(text: str, python: str) -> tuple[Pinned, ...]:
    """Returns the packages for CPython of this version (`3.13`) on Linux, by name. Raises LockError for a line that pins
    nothing."""
    environment = {
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
    packages = []
    for line in text.replace("\\\n", " ").splitlines():
        specifier = line.partition(" --hash=")[0].strip()
        if not specifier or specifier.startswith("#"):
            continue
        try:
            requirement = Requirement(specifier)
        except InvalidRequirement:
            raise LockError(f"{specifier}: this is no requirement") from None
        versions = [clause.version for clause in requirement.specifier if clause.operator == "=="]
        hashes = tuple(sorted(_HASH.findall(line)))
        if len(versions) != 1 or not hashes:
            raise LockError(f"{specifier}: this pins no version with a hash")
        if requirement.marker is None or requirement.marker.evaluate(environment):
            packages.append(Pinned(canonicalize_name(requirement.name), versions[0], hashes))
    return tuple(sorted(packages, key=lambda package: package.name))
