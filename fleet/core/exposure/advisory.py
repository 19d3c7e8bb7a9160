"""A security advisory in the form that fleet judges nodes by, whatever its format."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from fleet.core.exposure.software import NodeSoftware
from fleet.core.exposure.verdict import ExposureVerdict, worst


class AdvisoryStatement(Protocol):
    """Says what an advisory states about one product."""

    def judge(self, software: NodeSoftware) -> ExposureVerdict | None:
        """Returns what the statement means for a node; None if it is not about the node's software."""


class SecurityAdvisory(Struct, frozen=True):
    """One advisory, as read from its file."""

    id: str
    format: str
    """`CVE`, `OSV` or `CSAF`."""
    title: str
    aliases: tuple[str, ...]
    """Other names, such as the CVEs that the advisory of a distribution is about."""
    published: datetime | None
    severity: str
    """`critical`, `high`, `medium`, `low`; empty if the advisory names none."""
    severity_source: str
    """Who names the severity; empty if nobody does."""
    statements: tuple[AdvisoryStatement, ...]
    withdrawn: bool = False

    @property
    def names(self) -> frozenset[str]:
        """The advisory's id and its aliases."""
        return frozenset((self.id, *self.aliases))


def is_covered(advisory: SecurityAdvisory, names: Container[str]) -> bool:
    """Reports whether these names are all that the advisory is about: its id, or each CVE among its aliases, or without
    CVEs any alias. One CVE of several does not stand for the advisory."""
    cves = [alias for alias in advisory.aliases if alias.startswith("CVE-")]
    if advisory.id in names:
        return True
    return all(cve in names for cve in cves) if cves else any(alias in names for alias in advisory.aliases)


def judge(advisory: SecurityAdvisory, software: NodeSoftware) -> ExposureVerdict:
    """Returns what the advisory says about the software of a node."""
    if advisory.withdrawn:
        return ExposureVerdict("not_affected", "withdrawn", f"{advisory.id} was withdrawn")
    if not (software.kernel or software.version or software.os_image):
        return ExposureVerdict("unknown", "not-reported", "the node has not reported what it runs")
    found = [
        verdict for statement in advisory.statements if (verdict := statement.judge(software)) is not None
    ]
    return worst(found) or ExposureVerdict(
        "unknown",
        "no-statement",
        f"{advisory.id} says nothing about the software that this node is known to run",
    )


def severity_named(text: str) -> str:
    """Returns the severity by the name that fleet uses; empty if the text is none."""
    known = {"important": "high", "moderate": "medium", "negligible": "low"}
    lower = text.lower()
    return known.get(lower, lower if lower in ("critical", "high", "medium", "low") else "")
