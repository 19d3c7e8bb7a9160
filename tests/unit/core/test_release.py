"""One function decides whether two releases are one."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from fleet.core.releases.phasing import Phasing
from fleet.core.releases.release import Release, built_for, is_release
from tests.releases import AMD, ARM, BOTH, INDEX, PAIRS, Pair

OFFERED = Release(
    "44.2",
    digests=BOTH,
    released=datetime(2026, 11, 3, tzinfo=UTC),
    barrier="keys",
    dead_end="",
    rollout=Phasing(),
    upgrades_from=("44.1",),
)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.why)
def test_same_release(pair: Pair) -> None:
    assert is_release(pair.found, pair.wanted) is pair.same
    assert is_release(pair.wanted, pair.found) is pair.same


def test_missing_release_is_no_release() -> None:
    assert not is_release(None, Release("44.2"))


@pytest.mark.parametrize(
    ("release", "architecture", "asked"),
    [
        (Release("44.2"), "amd64", Release("44.2")),
        (Release("44.2", INDEX), "riscv64", Release("44.2", INDEX)),
        (Release("44.2", INDEX), "", Release("44.2", INDEX)),
        (
            Release("44.2", INDEX, digests=BOTH),
            "arm64",
            Release("44.2", ARM, reference_digest=INDEX),
        ),
        (Release("44.2", INDEX, digests=BOTH), "s390x", Release("44.2", INDEX)),
        (Release("44.2", digests=BOTH), "amd64", Release("44.2", AMD)),
        (Release("44.2", digests=BOTH), "s390x", None),
        (Release("44.2", digests=BOTH), "", None),
        (OFFERED, "amd64", Release("44.2", AMD)),
    ],
)
def test_release_requested_of_a_host_of_an_architecture(
    release: Release, architecture: str, asked: Release | None
) -> None:
    assert built_for(release, architecture) == asked


def test_stored_releases_with_a_single_digest_are_read() -> None:
    kept = b'{"version":"44.2","digest":"sha256:aa","kernel":"6.12","kubelet":""}'
    assert msgspec.json.decode(kept, type=Release) == Release("44.2", "sha256:aa", "6.12")
