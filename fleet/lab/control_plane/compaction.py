"""Compaction of the lab's etcd."""

from __future__ import annotations

import http.client

import msgspec

from fleet.lab.control_plane.api import Api
from fleet.lab.errors import LabError


def compact(client: Api) -> int:
    """Compacts etcd to its newest revision and returns that. Raises LabError."""
    try:
        answer = client.call("POST", "/v3/kv/range", {"key": "AA==", "count_only": True}).decoded()
        header = msgspec.convert(answer["header"], dict[str, str])
        revision = int(header["revision"])
        compacted = client.call("POST", "/v3/kv/compaction", {"revision": revision, "physical": True})
    except (OSError, http.client.HTTPException) as error:
        raise LabError(f"the lab's etcd does not answer: {error}") from error
    if compacted.status != 200:
        raise LabError(f"etcd refused to compact: {compacted.body.decode(errors='replace')}")
    return revision
