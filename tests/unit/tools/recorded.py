"""Two records of the GitHub Advisory Database (advisories/github-reviewed/2024, CC-BY 4.0) in the OSV format, without their
details, severity and references; and ways to change them."""

from __future__ import annotations

from typing import Any

JINJA: dict[str, Any] = {
    "schema_version": "1.4.0",
    "id": "GHSA-h75v-3vvj-5mfj",
    "modified": "2024-05-06T14:20:59Z",
    "published": "2024-05-06T14:20:59Z",
    "aliases": ["CVE-2024-34064"],
    "summary": "Jinja vulnerable to HTML attribute injection when passing user input as keys to xmlattr filter",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "Jinja2"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.4"}]}],
        }
    ],
    "database_specific": {"cwe_ids": ["CWE-79"], "severity": "MODERATE", "nvd_published_at": None},
}
URLLIB3: dict[str, Any] = {
    "schema_version": "1.4.0",
    "id": "GHSA-34jh-p97f-mpxf",
    "modified": "2024-06-17T21:37:20Z",
    "published": "2024-06-17T21:37:20Z",
    "aliases": ["CVE-2024-37891"],
    "summary": "urllib3's Proxy-Authorization request header isn't stripped during cross-origin redirects ",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "urllib3"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.26.19"}]}],
        },
        {
            "package": {"ecosystem": "PyPI", "name": "urllib3"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "2.0.0"}, {"fixed": "2.2.2"}]}],
        },
    ],
}


def about(name: str, *events: dict[str, str], versions: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """A record made up for one rule of the format."""
    affected = {
        "package": {"ecosystem": "PyPI", "name": name},
        "ranges": [{"type": "ECOSYSTEM", "events": list(events)}] if events else [],
        "versions": list(versions),
    }
    return {"id": "X-1", "modified": "2026-01-02T03:04:05Z", "affected": [affected], **more}
