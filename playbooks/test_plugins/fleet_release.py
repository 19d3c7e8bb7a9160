"""Jinja tests by which the playbooks compare releases and kernels: the rules of fleet/core/releases.

They are repeated here, since the playbooks run without fleet; tests/unit/machines/test_playbook_rules.py compares them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_ARCHITECTURE = re.compile(r"[.-](?:x86_64|amd64|aarch64|arm64|ppc64le|s390x|riscv64|i686|armv7hl)(?=$|\+)")


class TestModule:
    """`NOW is fleet_release(WANTED)` and `RUNNING is fleet_kernel(WANTED)`."""

    def tests(self) -> dict[str, Callable[..., bool]]:
        return {"fleet_release": is_release, "fleet_kernel": is_kernel}


def is_release(found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    """Both have `version`, `digest`, `reference_digest` and `digests` (a list), of which any may be missing. Where
    both tell
    a digest, they are one if they have one in common; otherwise if their versions are equal."""
    mine, its = _digests(found or {}), _digests(wanted)
    if mine and its:
        return not mine.isdisjoint(its)
    version = _text(found or {}, "version")
    return version != "" and version == _text(wanted, "version")


def is_kernel(running: str, wanted: object) -> bool:
    """`wanted` may leave out what the distribution appends: it ends where a part of the version ends."""
    name = str(wanted)
    if _begins(running, name):
        return True
    bare = _ARCHITECTURE.sub("", name)
    return bare != name and not _ARCHITECTURE.search(running) and _begins(running, bare)


def _begins(running: str, wanted: str) -> bool:
    rest = running[len(wanted) :]
    whole = not wanted or not rest or not rest[0].isalnum() or not wanted[-1].isalnum()
    return running.startswith(wanted) and whole


def _digests(release: Mapping[str, Any]) -> set[str]:
    digests = {_text(release, "digest"), _text(release, "reference_digest")}
    return (digests | {str(digest) for digest in release.get("digests") or ()}) - {""}


def _text(release: Mapping[str, Any], key: str) -> str:
    value = release.get(key)
    return "" if value is None else str(value)
