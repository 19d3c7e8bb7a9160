"""Reads a security advisory from the bytes of its file, whichever of the three formats it has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from fleet.core.exposure.advisory import SecurityAdvisory
from fleet.core.exposure.formats import csaf, cve_record, osv
from fleet.core.records.errors import UsageError


def read_advisory(text: bytes, name: str) -> SecurityAdvisory:
    """Returns the advisory in `text`, which is UTF-8. `name` is the file's name, for errors. Raises UsageError if the
    text is not a CVE record (CVE JSON 5), an OSV record or a CSAF 2 document, or has a wrong value in one of the fields
    that decide."""
    try:
        found: Any = msgspec.json.decode(text)
        if isinstance(found, dict) and "cveMetadata" in found:
            return cve_record.advisory_of(msgspec.convert(found, cve_record.CveRecord), _moment)
        if (
            isinstance(found, dict)
            and isinstance(found.get("document"), dict)
            and "csaf_version" in found["document"]
        ):
            return csaf.advisory_of(msgspec.convert(found, csaf.CsafDocument), _moment)
        if isinstance(found, dict) and "id" in found and ("affected" in found or "modified" in found):
            return osv.advisory_of(msgspec.convert(found, osv.OsvRecord), _moment)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError) as error:
        raise UsageError(f"{name} cannot be read as an advisory: {error}", _FORMATS) from None
    raise UsageError(f"{name} is no security advisory in a format that fleet reads", _FORMATS)


_FORMATS = "expected one CVE record (CVE JSON 5), one OSV record, or one CSAF 2 document"


def _moment(text: str) -> datetime | None:
    """Returns the time, in UTC if the text names no zone; None if the text is empty. Raises ValidationError if the text
    is not a time."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise msgspec.ValidationError(f"expected a time, found {text[:64]!r}") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
