"""Computes compliance from the nodes' histories and the dates of releases. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

from msgspec import Struct, UnsetType
from msgspec.structs import replace

from fleet.core.policy.policy import Policy
from fleet.core.releases.release import Release
from fleet.core.reporting.period.causes import PolicyRecord, causes
from fleet.core.reporting.period.compliance import (
    Compliance,
    ComplianceException,
    Punctuality,
    PunctualityCounts,
    QuarterCompliance,
    ReleaseCompliance,
)
from fleet.core.reporting.period.deadline import Deadline
from fleet.core.reporting.period.history import NodeHistory, releases_by_stream
from fleet.core.reporting.period.span import ReportSpan, quarters_until
from fleet.core.reporting.step_durations import nearest

DAY = timedelta(days=1)
QUARTERS = 4
"""How many quarters the trend shows."""


class Obligation(Struct, frozen=True, gc=False):
    """One release that one node has to run by `due`, and what came of that until `horizon`."""

    node: NodeHistory
    stream: str
    release: Release
    start: datetime
    due: datetime
    state: Punctuality
    met: datetime | None
    """When the node first ran the release or a newer one, if it has not gone back to an older one since."""
    exposed: tuple[tuple[datetime, datetime], ...]
    """The spans after `start` in which the node did not run the release."""


def measure(
    nodes: Collection[NodeHistory],
    policies: Sequence[Policy],
    span: ReportSpan,
    deadline: Deadline,
    now: datetime,
) -> Compliance:
    """Returns the compliance of these nodes in the span. `policies`: oldest first; the last one says which stream a
    pool follows. What happened after the end of the span does not count."""
    streams = releases_by_stream(policies)
    follows = {pool.name: pool.stream for policy in policies for pool in policy.pools if pool.stream}
    counted = [node for node in nodes if follows.get(node.pool) in streams]
    # What is known at this very moment counts.
    horizon = min(span.end, now + timedelta.resolution)
    obligations = list(_obligations(counted, streams, follows, deadline, horizon))
    due = [
        obligation
        for obligation in obligations
        if span.begin <= obligation.due < span.end or obligation.state == "open"
    ]
    carried = [
        obligation
        for obligation in obligations
        if obligation.due < span.begin and obligation.state == "overdue"
    ]
    return Compliance(
        deadline=deadline,
        nodes=len(counted),
        counts=_counts(due),
        carried_over=len(carried),
        exposure_node_days=_exposure(obligations, span.begin, horizon),
        exposed_at_end=len(
            {id(obligation.node) for obligation in obligations if obligation.state in ("overdue", "open")}
        ),
        releases=tuple(_releases(streams, set(follows.values()), obligations, span, deadline)),
        trend=tuple(
            _quarter(quarter, counted, streams, follows, deadline, horizon)
            for quarter in quarters_until(horizon - timedelta.resolution, QUARTERS)
        ),
        exceptions=tuple(_exceptions([*carried, *due], PolicyRecord.of(policies), horizon)),
    )


def _belongs(obligation: Obligation, span: ReportSpan) -> bool:
    """Returns whether the obligation is due in the span, or is not met at its end."""
    return span.begin <= obligation.due < span.end or obligation.state in ("overdue", "open")


def _obligations(
    nodes: Iterable[NodeHistory],
    streams: Mapping[str, Sequence[Release]],
    follows: Mapping[str, str],
    deadline: Deadline,
    horizon: datetime,
) -> Iterator[Obligation]:
    dated = {name: list(_dated(releases, deadline, horizon)) for name, releases in streams.items()}
    order = {
        name: {release.version: place for place, release in enumerate(releases)}
        for name, releases in streams.items()
    }
    for node in nodes:
        stream = follows[node.pool]
        seen = [
            (sighting.at, order[stream].get(sighting.version, -1))
            for sighting in node.sightings
            if sighting.at < horizon
        ]
        end = min(horizon, node.gone) if node.gone is not None else horizon
        for place, release, start in dated[stream]:
            made = _obligation(node, stream, release, start, deadline.due(start), seen, place, end)
            if made is not None:
                yield made


def _dated(
    releases: Sequence[Release], deadline: Deadline, horizon: datetime
) -> Iterator[tuple[int, Release, datetime]]:
    for place, release in enumerate(releases):
        start = deadline.starts(release)
        if start is not None and start < horizon and deadline.covers(release):
            yield place, release, start


def _obligation(
    node: NodeHistory,
    stream: str,
    release: Release,
    start: datetime,
    due: datetime,
    seen: Sequence[tuple[datetime, int]],
    place: int,
    end: datetime,
) -> Obligation | None:
    """Returns the obligation; None for a node that joined with the release after it was due, or was gone before that.
    `seen`: moments and the places of the versions in the stream. `end`: until when the node is looked at."""
    has_it = bool(seen) and seen[-1][1] >= place
    met = next((at for at, seen_place in seen if seen_place >= place), None) if has_it else None
    if met is not None and met > due and not any(at < met for at in (*node.asked, seen[0][0])):
        return None
    if met is None and node.gone is not None and end == node.gone and end <= due:
        return None
    state: Punctuality
    if met is not None:
        state = "in-time" if met <= due else "late"
    else:
        state = "overdue" if due < end else "open"
    return Obligation(node, stream, release, start, due, state, met, tuple(_exposed(seen, place, start, end)))


def _exposed(
    seen: Sequence[tuple[datetime, int]], place: int, start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yields the spans of [start, end) in which the node was not known to run the release."""
    begin: datetime | None = start
    for at, seen_place in seen:
        if seen_place >= place and begin is not None:
            if at > begin:
                yield begin, min(at, end)
            begin = None
        elif seen_place < place and begin is None:
            begin = max(at, start)
    if begin is not None and begin < end:
        yield begin, end


def _counts(obligations: Iterable[Obligation]) -> PunctualityCounts:
    by_state = Counter(obligation.state for obligation in obligations)
    due = by_state["in-time"] + by_state["late"] + by_state["overdue"]
    share = round(by_state["in-time"] / due, 6) if due else None
    return PunctualityCounts(
        due, by_state["in-time"], by_state["late"], by_state["overdue"], by_state["open"], share
    )


def _exposure(obligations: Iterable[Obligation], begin: datetime, end: datetime) -> float:
    """Returns the node-days of [begin, end) in which a node lacked at least one release."""
    by_node: dict[int, list[tuple[datetime, datetime]]] = {}
    for obligation in obligations:
        by_node.setdefault(id(obligation.node), []).extend(obligation.exposed)
    return round(sum(_covered(spans, begin, end) for spans in by_node.values()), 2)


def _covered(spans: Iterable[tuple[datetime, datetime]], begin: datetime, end: datetime) -> float:
    """Returns the days of [begin, end) that at least one of the spans covers."""
    total, until = timedelta(), begin
    for first, last in sorted(spans):
        first, last = max(first, until), min(last, end)
        if first < last:
            total, until = total + (last - first), last
    return total / DAY


def _releases(
    streams: Mapping[str, Sequence[Release]],
    followed: Collection[str],
    obligations: Sequence[Obligation],
    span: ReportSpan,
    deadline: Deadline,
) -> Iterator[ReleaseCompliance]:
    by_release: dict[tuple[str, str], list[Obligation]] = {}
    for obligation in obligations:
        by_release.setdefault((obligation.stream, obligation.release.version), []).append(obligation)
    for stream in sorted(set(streams) & set(followed)):
        for release in reversed(streams[stream]):
            of_release = by_release.get((stream, release.version), [])
            start = deadline.starts(release)
            due = deadline.due(start) if start is not None else None
            published = start is None or start < span.end
            shown = (
                due is None
                or due >= span.begin
                or any(_belongs(obligation, span) for obligation in of_release)
            )
            if published and shown:
                yield _release(stream, release, of_release, span, deadline)


def _release(
    stream: str, release: Release, of_release: Sequence[Obligation], span: ReportSpan, deadline: Deadline
) -> ReleaseCompliance:
    start = deadline.starts(release)
    took = sorted(
        max(0.0, (obligation.met - obligation.start) / DAY)
        for obligation in of_release
        if obligation.met is not None
    )
    advisories = () if isinstance(release.advisories, UnsetType) else release.advisories
    return ReleaseCompliance(
        stream=stream,
        version=release.version,
        counted_from=start,
        due=deadline.due(start) if start is not None else None,
        covered=deadline.covers(release),
        advisories=advisories,
        counts=_counts(of_release),
        median_days=round(median(took), 2) if took else None,
        p95_days=round(nearest(took, 0.95), 2) if took else None,
        max_days=round(took[-1], 2) if took else None,
        exposure_node_days=round(
            sum(_covered(obligation.exposed, span.begin, span.end) for obligation in of_release), 2
        ),
    )


def _quarter(
    quarter: ReportSpan,
    nodes: Sequence[NodeHistory],
    streams: Mapping[str, Sequence[Release]],
    follows: Mapping[str, str],
    deadline: Deadline,
    horizon: datetime,
) -> QuarterCompliance:
    end = min(quarter.end, horizon)
    obligations = list(_obligations(nodes, streams, follows, deadline, end))
    due = [obligation for obligation in obligations if quarter.begin <= obligation.due < quarter.end]
    return QuarterCompliance(quarter.name, _counts(due), _exposure(obligations, quarter.begin, end))


def _exceptions(
    obligations: Iterable[Obligation], record: PolicyRecord, horizon: datetime
) -> Iterator[ComplianceException]:
    for obligation in obligations:
        if obligation.state not in ("late", "overdue"):
            continue
        end = obligation.met or min(horizon, obligation.node.gone or horizon)
        yield ComplianceException(
            cluster=obligation.node.cluster,
            node=obligation.node.node,
            pool=obligation.node.pool,
            version=obligation.release.version,
            due=obligation.due,
            state="late" if obligation.state == "late" else "overdue",
            met=obligation.met,
            days_over=round((end - obligation.due) / DAY, 2),
            causes=causes(
                obligation.node, obligation.release, obligation.start, obligation.due, record, horizon
            ),
        )


def in_pools(nodes: Iterable[NodeHistory], pools: Collection[str]) -> list[NodeHistory]:
    """Returns the nodes of these pools; of all pools if none is named. Their sightings are in order."""
    return [
        replace(node, sightings=sorted(node.sightings, key=lambda sighting: sighting.at))
        for node in nodes
        if not pools or node.pool in pools
    ]
