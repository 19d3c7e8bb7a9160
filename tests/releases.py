"""Pairs of what a host tells and what a stream says, and whether they are one release: for the function of the engine and
its agents, and for the rule of the playbooks."""

from __future__ import annotations

from typing import NamedTuple

from fleet.core.releases.release import Release


def sha(letter: str) -> str:
    return f"sha256:{letter * 64}"


class Pair(NamedTuple):
    why: str
    found: Release
    wanted: Release
    same: bool


INDEX, ARM, AMD, OTHER = sha("1"), sha("2"), sha("3"), sha("4")
BOTH = (("amd64", AMD), ("arm64", ARM))

PAIRS = (
    Pair("equal versions, and no digest anywhere", Release("44.2"), Release("44.2"), True),
    Pair("other versions, and no digest anywhere", Release("44.1"), Release("44.2"), False),
    Pair("the policy tells no digest", Release("44.2", AMD), Release("44.2"), True),
    Pair("the host tells no digest", Release("44.2"), Release("44.2", AMD), True),
    Pair("the host tells no digest and another version", Release("44.1"), Release("44.2", AMD), False),
    Pair("equal versions and digests", Release("44.2", AMD), Release("44.2", AMD), True),
    Pair("the same version, built anew", Release("44.2", OTHER), Release("44.2", AMD), False),
    Pair("the version of the image that it was built on", Release("9.6", AMD), Release("44.2", AMD), True),
    Pair("an image without a version", Release(AMD, AMD), Release("44.2", AMD), True),
    Pair("a deployment of which only the digest is told", Release("", AMD), Release("44.2", AMD), True),
    Pair(
        "another image without a version, and no digest in the policy",
        Release(AMD, AMD),
        Release("44.2"),
        False,
    ),
    Pair("one version begins the other", Release("3033.3.18"), Release("3033.3.1"), False),
    Pair("one version ends the other", Release("13033.3.1"), Release("3033.3.1"), False),
    Pair("the host tells nothing that tells releases apart", Release(""), Release("6.0"), False),
    Pair("nothing is known on both sides", Release(""), Release(""), False),
    Pair(
        "staged by the index",
        Release("44.2", AMD, reference_digest=INDEX),
        Release("44.2", INDEX),
        True,
    ),
    Pair(
        "staged by the index, the version is the base's",
        Release("9.6", AMD, reference_digest=INDEX),
        Release("44.2", INDEX),
        True,
    ),
    Pair(
        "staged by another index",
        Release("44.2", AMD, reference_digest=OTHER),
        Release("44.2", INDEX),
        False,
    ),
    Pair(
        "staged by a tag, the policy has the index alone", Release("44.2", AMD), Release("44.2", INDEX), False
    ),
    Pair(
        "staged by a tag, the policy has the index and this architecture's manifest",
        Release("44.2", AMD),
        Release("44.2", INDEX, digests=BOTH),
        True,
    ),
    Pair("one of two architectures", Release("", ARM), Release("44.2", digests=BOTH), True),
    Pair("none of two architectures", Release("44.2", OTHER), Release("44.2", digests=BOTH), False),
    Pair("no digest against two architectures", Release("44.2"), Release("44.2", digests=BOTH), True),
    Pair(
        "staged by the manifest of its architecture",
        Release("44.2", ARM, reference_digest=ARM),
        Release("44.2", INDEX, digests=BOTH),
        True,
    ),
)
