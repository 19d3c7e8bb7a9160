"""The signs on a machine by which an OS family recognizes its own."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Signs(Struct, frozen=True):
    """The result of detection on a machine, which changes nothing there."""

    os_release: Mapping[str, str]
    """The assignments of `/etc/os-release`."""
    programs: frozenset[str] = frozenset()
    """The programs out of the families' `programs` that the machine has."""
    facts: frozenset[str] = frozenset()
    """Names of the families' `files` that the machine has, such as `ostree-booted`, and the facts that probes have
    added."""
    probe_errors: Mapping[str, str] = {}
    """Errors by the name of the family: why its own program does not answer whether it has booted the machine."""
