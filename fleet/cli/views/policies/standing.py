"""The view of standing policies: what each pool follows, what it does next and when, and why not yet. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.text import Text

from fleet.cli.terminal.columns import columns
from fleet.core.policy.schedule import format_moment
from fleet.core.standing.reason import STOPPED
from fleet.core.standing.standing_pool import (
    StandingLack,
    StandingList,
    StandingOutcome,
    StandingPool,
    StandingRelease,
)
from fleet.core.standing.state import StandingState
from fleet.core.text.counts import counted
from fleet.core.text.durations import format_duration

STYLES = {
    StandingState.START: "green",
    StandingState.RUNNING: "green",
    StandingState.UP_TO_DATE: "green",
    StandingState.APPROVAL: "yellow",
    StandingState.REFUSED: "red",
    StandingState.HALTED: "red",
}
HEAD = ("POOL", "STATE", "FOLLOWS", "NEXT", "EXPECTED")


def policies(found: StandingList) -> Text:
    """Returns a line for each pool, and why each pool that does nothing now waits, with the remedy."""
    rows = [_row(pool, found.at) for pool in found.pools]
    text = columns(HEAD, rows)
    for pool in found.pools:
        if pool.why is not None:
            text.append("\n").append(f"{pool.pool}", "bold").append(f": {why_waiting(pool)}")
            if pool.why.remedy:
                text.append(f"\n  -> {pool.why.remedy}")
    return text


def details(pool: StandingPool, now: datetime) -> Text:
    """Returns what the pool runs, and each release that is newer: what it has met, and what it lacks."""
    runs = ", ".join(f"{count} on {version or 'an unknown release'}" for version, count in pool.runs.items())
    text = Text(f"\n{pool.pool}", "bold").append(f" runs: {runs or 'nothing known'}", "")
    if pool.approved_by:
        who = "this policy" if pool.approved_by == "rule" else "users"
        text.append(f"\n  plans are approved by {who}")
    for release in pool.releases:
        text.append("\n").append_text(_release(release, pool, now))
    return text


def outcome_lines(found: Sequence[StandingOutcome]) -> Iterator[str]:
    """Yields what one pass did about each pool."""
    for outcome in found:
        pool = outcome.pool
        if outcome.rollout:
            yield f"{pool.pool}: started rollout {outcome.rollout} to {pool.target}."
        if outcome.plan:
            yield f"{pool.pool}: made plan {outcome.plan}; it waits for approval."
        if outcome.problem:
            yield f"{pool.pool}: {outcome.problem}"
        elif not (outcome.rollout or outcome.plan):
            yield f"{pool.pool}: {pool.state}{f': {why_waiting(pool)}' if pool.why is not None else ''}."


def _row(pool: StandingPool, now: datetime) -> tuple[str | Text, ...]:
    state = Text(str(pool.state), STYLES.get(pool.state, ""))
    expected = "-" if pool.state is StandingState.MANUAL or not pool.target else _expected(pool, now)
    return pool.pool, state, pool.follows or "-", pool.target or "-", expected


def _expected(pool: StandingPool, now: datetime) -> str:
    if pool.when is None:
        return "-"
    return "now" if pool.when <= now else _moment(pool.when, now, pool.zone)


def why_waiting(pool: StandingPool) -> str:
    """Returns why the pool does nothing now, with the release that this is about."""
    assert pool.why is not None
    about = pool.target if pool.why.reason not in STOPPED and _is_of_release(pool) else ""
    return f"{about} {pool.why.message}".strip()


def _is_of_release(pool: StandingPool) -> bool:
    """Returns whether the pool waits for what its target lacks, and not for a rollout or a window."""
    target = next((release for release in pool.releases if release.version == pool.target), None)
    return target is not None and pool.why in target.lacks


def _release(release: StandingRelease, pool: StandingPool, now: datetime) -> Text:
    state = "qualifies" if release.qualifies else "does not qualify"
    text = Text(f"  {release.version}", "bold").append(f" {state}, for {counted(release.nodes, 'node')}", "")
    for count, what in (
        (release.ahead, "run a newer release"),
        (release.unordered, "cannot be compared"),
        (release.stuck, "have no way to it"),
    ):
        if count:
            text.append(f"; {count} {what}")
    for line in (*(f"met: {ground}" for ground in release.met), *_lacks(release.lacks, pool, now)):
        text.append(f"\n    {line}")
    return text


def _lacks(lacks: tuple[StandingLack, ...], pool: StandingPool, now: datetime) -> Iterator[str]:
    for lack in lacks:
        until = f", until {_moment(lack.when, now, pool.zone)}" if lack.when is not None else ""
        yield f"lacks: {lack.message}{until}"
        if lack.remedy:
            yield f"  -> {lack.remedy}"


def _moment(moment: datetime, now: datetime, zone: str) -> str:
    return f"{format_moment(moment, now, zone)} (in {format_duration((moment - now).total_seconds())})"
