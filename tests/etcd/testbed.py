"""The network of the members: each in a network namespace of its own, with delays between sites. Without root they
are on the loopback network behind relays, which delay and cut as well."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fleet.lab.etcd.members import Members
from fleet.lab.etcd.namespaces import possible


def networked_members(
    binary: Path,
    directory: Path,
    at: datetime,
    sites: Mapping[str, str],
    seconds: Mapping[frozenset[str], float] | None = None,
    **options: Any,
) -> Members:
    """As `Members`. With CI=true there have to be namespaces."""
    if not possible() and os.environ.get("CI") == "true":
        pytest.fail("network namespaces need root and /dev/net/tun")
    return Members(binary, directory, at, sites, seconds, namespaces=possible(), **options)
