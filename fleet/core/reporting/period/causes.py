"""Finds what on record kept a node from a release in time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec import Struct

from fleet.core.policy.policy import Policy
from fleet.core.policy.times.freezes import Freezes
from fleet.core.releases.release import Release
from fleet.core.reporting.period.compliance import ExceptionCause
from fleet.core.reporting.period.history import NodeHistory, freezes_of, releases_by_stream


class PolicyRecord(Struct, frozen=True):
    """The rules of a span's policies about when and to which versions nodes may be upgraded."""

    pinned: dict[str, str]
    """The version to which the last policy pins each pool, by pool."""
    freezes: tuple[Freezes, ...]
    """The freezes of each policy, also those that recur."""
    versions: frozenset[str]
    """All versions of all streams."""

    @classmethod
    def of(cls, policies: Sequence[Policy]) -> PolicyRecord:
        """`policies`: oldest first."""
        pools = policies[-1].pools if policies else ()
        return cls(
            {pool.name: pool.version for pool in pools if pool.version},
            tuple(map(freezes_of, policies)),
            frozenset(
                release.version for stream in releases_by_stream(policies).values() for release in stream
            ),
        )


def causes(
    node: NodeHistory,
    release: Release,
    start: datetime,
    due: datetime,
    record: PolicyRecord,
    horizon: datetime,
) -> tuple[ExceptionCause, ...]:
    """Returns everything on record about a release that was allowed to take from `start` to `due`, in a fixed
    order."""
    return (
        *_pinned(node, release, record),
        *_freezes(node, start, due, record),
        *_attempts(node, start, due, horizon),
        *_unknown(node, record, horizon),
    )


def _pinned(node: NodeHistory, release: Release, record: PolicyRecord) -> Iterator[ExceptionCause]:
    version = record.pinned.get(node.pool, release.version)
    if version != release.version:
        yield ExceptionCause("pinned", f"the policy pins pool {node.pool} to {version}")


def _freezes(
    node: NodeHistory, start: datetime, due: datetime, record: PolicyRecord
) -> Iterator[ExceptionCause]:
    overlapping = (
        freeze
        for freezes in record.freezes
        for freeze in freezes.during(start, due)
        if freeze.covers(node.pool, node.cluster, node.site)
    )
    for freeze in dict.fromkeys(overlapping):
        days = f"{freeze.begin:%Y-%m-%d %H:%MZ} to {freeze.until:%Y-%m-%d %H:%MZ}"
        yield ExceptionCause("freeze", f"freeze {freeze.name}{freeze.where}, {days}")


def _attempts(
    node: NodeHistory, start: datetime, due: datetime, horizon: datetime
) -> Iterator[ExceptionCause]:
    for attempt in node.attempts:
        if start <= attempt.at < horizon:
            why = f": {attempt.why}" if attempt.why else ""
            yield ExceptionCause(attempt.ending, f"rollout {attempt.rollout} to {attempt.version}{why}")
    first = min((moment for moment in node.asked if start <= moment < horizon), default=None)
    if first is None:
        yield ExceptionCause("no-rollout", "no rollout was started for the node since the release")
    elif first >= due:
        detail = f"the first rollout for the node since the release was started {first:%Y-%m-%d %H:%MZ}"
        yield ExceptionCause("no-rollout", detail)


def _unknown(node: NodeHistory, record: PolicyRecord, horizon: datetime) -> Iterator[ExceptionCause]:
    last = next((sighting for sighting in reversed(node.sightings) if sighting.at < horizon), None)
    if last is None:
        yield ExceptionCause("unknown-version", "the node's version was never seen")
    elif last.version not in record.versions:
        yield ExceptionCause("unknown-version", f"{last.version} is in no stream")
