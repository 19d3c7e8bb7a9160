"""The figures in docs/quorum.md are what the engine computes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.core.guards.quorum import held, rank
from fleet.core.objects.node import NodeRef
from fleet.core.quorum.quorum import (
    Link,
    Member,
    Quorum,
    QuorumRule,
    best_leader,
    breaking_links,
    breaking_sites,
    commit_seconds,
    majority,
    tolerates,
)

DOCS = (Path(__file__).parents[3] / "docs" / "quorum.md").read_text(encoding="utf-8")
SITES = {"m1": "fra", "m2": "fra", "m3": "ams", "m4": "ams", "m5": "nyc"}
ORDER = ("m2", "m3", "m4", "m5", "m1")
LINKS = (
    Link("fra", "ams", 0.010),
    Link("fra", "nyc", 0.080),
    Link("ams", "nyc", 0.085),
    Link("fra", "fra", 0.0005),
    Link("ams", "ams", 0.0005),
)


def node(name: str) -> NodeRef:
    return NodeRef("east", f"n-{name}")


def group(unhealthy: str = "") -> Quorum:
    members = (
        Member(name, node(name), site, reachable=name != unhealthy, leader=name == "m1", index=7)
        for name, site in SITES.items()
    )
    return Quorum("main", members=tuple(members), links=LINKS)


@pytest.mark.parametrize("voters", range(1, 8))
def test_table_of_sizes(voters: int) -> None:
    assert f"| {voters} | {majority(voters)} | {tolerates(voters)} |\n" in DOCS


@pytest.mark.parametrize("going", ORDER)
def test_table_of_the_stretch_cluster(going: str) -> None:
    whole = group()
    rest = [member for member in whole.members if member.name != going]
    leader = best_leader(whole, rest, frozenset()) if going == "m1" else whole.leader
    assert leader is not None
    seconds = commit_seconds(whole, leader, rest)
    assert seconds is not None
    names, sites = ", ".join(member.name for member in rest), ", ".join(breaking_sites(rest, 3))
    links = "".join(f", {one}-{other}" for one, other in breaking_links(rest, 3))
    row = f"| {going} | {names} | {sites} (2 elsewhere){links} | {seconds * 1000:.1f} ms |"
    assert row in DOCS
    assert leader.name == ("m2" if going == "m1" else "m1")


def test_order_is_that_of_the_engine() -> None:
    ranks = {name: rank(group(), QuorumRule(), node(name)) for name in SITES}
    assert tuple(sorted(SITES, key=lambda name: ranks[name] or ())) == ORDER


def test_message_of_the_wait() -> None:
    found = held(group(unhealthy="m4"), QuorumRule(), node("m2"), ())
    assert found is not None
    assert f"    {found.message}\n" in DOCS
