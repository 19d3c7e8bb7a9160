"""Checks of standing policies: releases that can never qualify."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import UnsetType

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.linting.finding import LintFinding
from fleet.core.policy.policy import Policy, Pool, site_of
from fleet.core.policy.upgrades.upgrade_rule import SoakRule, UpgradeRule

Places = Collection[tuple[str, str, str]]
"""Pools, clusters and sites in which nodes are."""


def check_dates(policy: Policy) -> Iterator[LintFinding]:
    """Yields the pools that wait for releases to be so and so old, of a stream that gives no date."""
    for pool, rule in _automatic(policy).values():
        stream = policy.stream(pool.stream)
        if stream is None or not stream.releases or not rule.delay_seconds:
            continue
        if all(isinstance(release.released, UnsetType) for release in stream.releases):
            yield LintFinding(
                "",
                "standing-undated",
                f"pool {pool.name}",
                f"upgrade.delay needs the dates of releases, and no release of stream {stream.name} has one",
                f"give the releases dates (released), or set upgrade.delay of pool {pool.name} to 0",
            )


def check_circles(policy: Policy) -> Iterator[LintFinding]:
    """Yields the pools that wait for a release to soak in pools which, in the end, wait for them."""
    rules = _automatic(policy)
    for name, (_, rule) in rules.items():
        seen: set[str] = set()
        waits_for = [soak.pool for soak in rule.soaked_in if soak.pool]
        while waits_for:
            other = waits_for.pop()
            if other not in seen:
                seen.add(other)
                more = rules[other][1].soaked_in if other in rules else ()
                waits_for += [soak.pool for soak in more if soak.pool]
        if name in seen:
            yield LintFinding(
                "",
                "standing-circle",
                f"pool {name}",
                "upgrade.soaked_in: the pools wait for one another, so that none ever begins",
                "take one of them out of upgrade.soaked_in",
            )


def check_soaks(policy: Policy, snapshots: Sequence[Snapshot]) -> Iterator[LintFinding]:
    """Yields the rules by which a release has to soak where it never gets to, by the snapshots of the whole fleet."""
    if not snapshots:
        return
    places = {
        (pool.name, snapshot.cluster, site_of(node, snapshot.site))
        for snapshot in snapshots
        for node in snapshot.nodes
        if (pool := policy.pool_of(snapshot.cluster, node)) is not None
    }
    for pool, rule in _automatic(policy).values():
        for soak in rule.soaked_in:
            if why := _never_there(policy, pool, soak, places):
                remedy = f"name a pool or stage that follows stream {pool.stream} in upgrade.soaked_in"
                yield LintFinding("", "standing-soak", f"pool {pool.name}", why, remedy)


def _never_there(policy: Policy, pool: Pool, soak: SoakRule, places: Places) -> str:
    """Returns why no release of the pool's stream ever soaks there; empty where one can."""
    if soak.pool:
        pools = {name for name, _, _ in places if name == soak.pool}
    else:
        stages = () if isinstance(policy.stages, UnsetType) else policy.stages
        first = {place: next((stage.name for stage in stages if stage.holds(*place)), "") for place in places}
        pools = {name for (name, _, _), stage in first.items() if stage == soak.stage}
    if not pools:
        return f"upgrade.soaked_in: {soak.place} has no node"
    if pool.name in pools:
        return f"upgrade.soaked_in: {soak.place} has nodes of this pool, which wait for themselves"
    others = [policy.pool(name) for name in sorted(pools)]
    if all(other is not None and other.stream != pool.stream for other in others):
        return f"upgrade.soaked_in: {soak.place} does not follow stream {pool.stream}"
    return ""


def _automatic(policy: Policy) -> Mapping[str, tuple[Pool, UpgradeRule]]:
    return {
        pool.name: (pool, pool.upgrade) for pool in policy.automatic if isinstance(pool.upgrade, UpgradeRule)
    }
