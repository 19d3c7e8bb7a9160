"""Writes an answer as an OpenVEX document, one statement for each state of an image.

Source: OpenVEX specification 0.2.0. A product is an image by its digest, or a release by its version where no digest is
known. An affected product needs an action statement, and one that is not affected a justification or an impact statement.
Author's role and times of statements are optional, and a statement may have several products; lib4vex 0.2.3, by which
several scanners read OpenVEX, refuses a document without the former and keeps the last product of the latter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any

from msgspec import json

from fleet.core.exposure.exposure_report import ExposedNode, ExposureAnswer, ExposureReport
from fleet.core.exposure.package_url import PackageUrl

CONTEXT = "https://openvex.dev/ns/v0.2.0"
_STATUS = {
    "affected": "affected",
    "fixed": "fixed",
    "not_affected": "not_affected",
    "unknown": "under_investigation",
}


def openvex(report: ExposureReport) -> dict[str, Any]:
    """Returns the document. Its id is a hash of its statements: the same facts give the same document but for the
    time."""
    statements = [statement for answer in report.answers for statement in _statements(answer)]
    written_at = _time(report.at)
    name = sha256(json.encode(statements, order="deterministic")).hexdigest()
    return {
        "@context": CONTEXT,
        "@id": f"urn:fleet:vex:{name}",
        "author": "fleet",
        "role": "Document Creator",
        "timestamp": written_at,
        "version": 1,
        "tooling": "fleet exposure",
        "statements": [{**statement, "timestamp": written_at} for statement in statements],
    }


def _statements(answer: ExposureAnswer) -> Iterable[dict[str, Any]]:
    found = {(node.state, node.reason, _action(node), node.message, _image(node)) for node in answer.nodes}
    for state, reason, action, message, image in sorted(found):
        statement: dict[str, Any] = {
            "vulnerability": {"name": answer.question, "aliases": list(answer.aliases)},
            "products": [{"@id": image}],
            "status": _STATUS[state],
            "status_notes": message,
        }
        if state == "affected":
            statement["action_statement"] = action
        if state == "not_affected" and reason == "no-vulnerable-code":
            statement["justification"] = "vulnerable_code_not_present"
        elif state == "not_affected":
            statement["impact_statement"] = message
        yield statement


def product(os_image: str, digest: str, version: str, kernel: str) -> str:
    """Returns the package URL of an image, by its digest or, where none is known, by version or kernel.

    Its name has no letter that would have to be encoded: programs differ in which ones they encode.
    """
    name = re.sub(r"[^a-z0-9._-]+", "-", os_image.lower()).strip("-") or "os"
    return PackageUrl("generic", name, digest or version or kernel).canonical


def _image(node: ExposedNode) -> str:
    return product(node.os, node.digest, node.version, node.kernel)


def _action(node: ExposedNode) -> str:
    fix = node.fix
    if node.state != "affected" or fix is None:
        return ""
    if fix.kind == "rollout":
        return f"Rollout {fix.rollout} upgrades to {fix.version}."
    if fix.kind == "plan":
        return f"Start plan {fix.plan[:12]}, which upgrades to {fix.version}."
    if fix.kind == "release":
        return f"Upgrade to {fix.version}."
    return "No release is known that has the fix; follow the vendor's advisory."


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
