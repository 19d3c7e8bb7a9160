"""The lock file of the image: which packages it holds, in which version, with which hashes.

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
    """The file is no lock: a line of it pins nothing."""


class Pinned(Struct, frozen=True):
    name: str
    """Normalized, as package indexes have it: lower case, with dashes."""
    version: str
    hashes: tuple[tuple[str, str], ...] = ()
    """Algorithm and hexadecimal digest of each file of this version."""


def image_python(dockerfile: str) -> str:
    """The version of Python in the image, `3.13`. Raises LockError where the Dockerfile does not say."""
    found = re.findall(r"^ARG BASE=python:(\d+\.\d+)", dockerfile, re.MULTILINE)
    if len(found) != 1:
        raise LockError("deploy/Dockerfile: its base is no Python")
    return str(found[0])


def pinned(text: str, python: str) -> tuple[Pinned, ...]:
    """What CPython of this version (`3.13`) gets on Linux, by name. Raises LockError for a line that pins nothing."""
    environment = {
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        words = line.partition(" --hash=")[0].strip()
        if not words or words.startswith("#"):
            continue
        try:
            requirement = Requirement(words)
        except InvalidRequirement:
            raise LockError(f"{words}: this is no requirement") from None
        pins = [each.version for each in requirement.specifier if each.operator == "=="]
        hashes = tuple(sorted(_HASH.findall(line)))
        if len(pins) != 1 or not hashes:
            raise LockError(f"{words}: this pins no version with a hash")
        if requirement.marker is None or requirement.marker.evaluate(environment):
            found.append(Pinned(canonicalize_name(requirement.name), pins[0], hashes))
    return tuple(sorted(found, key=lambda each: each.name))
