"""Computes compliance from the nodes' histories and the dates of releases. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

from msgspec import UnsetType
from msgspec.structs import replace

from fleet.core.approval.exceptions import PatchException
from fleet.core.policy.policy import Policy
from fleet.core.releases.release import Release
from fleet.core.reporting.period.causes import PolicyRecord, causes
from fleet.core.reporting.period.compliance import (
    Compliance,
    ComplianceException,
    GrantedException,
    PunctualityCounts,
    QuarterCompliance,
    ReleaseCompliance,
)
from fleet.core.reporting.period.deadline import Deadline
from fleet.core.reporting.period.history import NodeHistory, releases_by_stream
from fleet.core.reporting.period.obligation import Obligation
from fleet.core.reporting.period.obligation import obligations as obligations_of
from fleet.core.reporting.period.span import ReportSpan, quarters_until
from fleet.core.reporting.step_durations import nearest

DAY = timedelta(days=1)
QUARTERS = 4
"""How many quarters the trend shows."""


def measure(
    nodes: Collection[NodeHistory],
    policies: Sequence[Policy],
    span: ReportSpan,
    deadline: Deadline,
    now: datetime,
    exceptions: Sequence[PatchException] = (),
) -> Compliance:
    """Returns the compliance of these nodes in the span. `policies`: oldest first; the last one says which stream a
    pool follows. `exceptions`: those that users asked for. What happened after the end of the span does not count."""
    streams = releases_by_stream(policies)
    follows = {pool.name: pool.stream for policy in policies for pool in policy.pools if pool.stream}
    counted = [node for node in nodes if follows.get(node.pool) in streams]
    # What is known at this very moment counts.
    horizon = min(span.end, now + timedelta.resolution)
    obligations = list(obligations_of(counted, streams, follows, deadline, horizon, exceptions))
    due = [
        obligation
        for obligation in obligations
        if span.begin <= obligation.due < span.end or obligation.state == "open"
    ]
    carried = [
        obligation
        for obligation in obligations
        if obligation.due < span.begin and obligation.missed and obligation.met is None
    ]
    belong = [*carried, *due]
    return Compliance(
        deadline=deadline,
        nodes=len(counted),
        counts=_counts(due),
        carried_over=sum(obligation.state == "overdue" for obligation in carried),
        exposure_node_days=_exposure(obligations, span.begin, horizon),
        exposed_at_end=len({id(obligation.node) for obligation in obligations if obligation.met is None}),
        releases=tuple(_releases(streams, set(follows.values()), obligations, span, deadline)),
        trend=tuple(
            _quarter(quarter, counted, streams, follows, deadline, horizon, exceptions)
            for quarter in quarters_until(horizon - timedelta.resolution, QUARTERS)
        ),
        exceptions=tuple(_exceptions(belong, PolicyRecord.of(policies), horizon)),
        granted=tuple(register(exceptions, belong, counted, span, horizon)),
    )


def _belongs(obligation: Obligation, span: ReportSpan) -> bool:
    """Returns whether the obligation is due in the span, or is not met at its end."""
    return span.begin <= obligation.due < span.end or obligation.met is None


def _counts(obligations: Iterable[Obligation]) -> PunctualityCounts:
    by_state = Counter(obligation.state for obligation in obligations)
    due = by_state["in-time"] + by_state["late"] + by_state["overdue"] + by_state["excepted"]
    share = round(by_state["in-time"] / due, 6) if due else None
    return PunctualityCounts(
        due,
        by_state["in-time"],
        by_state["late"],
        by_state["overdue"],
        by_state["open"],
        share,
        by_state["excepted"],
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
    exceptions: Sequence[PatchException],
) -> QuarterCompliance:
    end = min(quarter.end, horizon)
    obligations = list(obligations_of(nodes, streams, follows, deadline, end, exceptions))
    due = [obligation for obligation in obligations if quarter.begin <= obligation.due < quarter.end]
    return QuarterCompliance(quarter.name, _counts(due), _exposure(obligations, quarter.begin, end))


def _exceptions(
    obligations: Iterable[Obligation], record: PolicyRecord, horizon: datetime
) -> Iterator[ComplianceException]:
    for obligation in obligations:
        if obligation.state not in ("late", "overdue", "excepted"):
            continue
        end = obligation.met or min(horizon, obligation.node.gone or horizon)
        yield ComplianceException(
            cluster=obligation.node.cluster,
            node=obligation.node.node,
            pool=obligation.node.pool,
            version=obligation.release.version,
            due=obligation.due,
            state=obligation.state,
            met=obligation.met,
            days_over=round((end - obligation.due) / DAY, 2),
            causes=causes(
                obligation.node, obligation.release, obligation.start, obligation.due, record, horizon
            ),
            granted=tuple(each.id for each in obligation.granted),
        )


def register(
    exceptions: Iterable[PatchException],
    obligations: Sequence[Obligation],
    nodes: Sequence[NodeHistory],
    span: ReportSpan,
    horizon: datetime,
) -> Iterator[GrantedException]:
    """Yields the exceptions that cover one of the nodes and were not over before the span."""
    counts = Counter(
        each.id for obligation in obligations if obligation.state == "excepted" for each in obligation.granted
    )
    for each in exceptions:
        over = min(each.until, each.revoked or each.until)
        about = any(each.covers(node.cluster, node.node, node.pool, each.version) for node in nodes)
        if each.requested >= horizon or over < span.begin or not about:
            continue
        state = each.state(horizon - timedelta.resolution)
        yield GrantedException(
            id=each.id,
            nodes=each.nodes,
            pools=each.pools,
            version=each.version,
            state=state,
            until=each.until,
            reason=each.reason,
            owner=each.owner,
            author=each.author.name,
            requested=each.requested,
            approver=each.approver.name if each.approver is not None else "",
            granted=each.granted,
            revoked=each.revoked,
            lapses_in_days=round((each.until - horizon) / DAY, 2) if state == "in force" else None,
            excepted=counts[each.id],
        )


def in_pools(nodes: Iterable[NodeHistory], pools: Collection[str]) -> list[NodeHistory]:
    """Returns the nodes of these pools; of all pools if none is named. Their sightings are in order."""
    return [
        replace(node, sightings=sorted(node.sightings, key=lambda sighting: sighting.at))
        for node in nodes
        if not pools or node.pool in pools
    ]
