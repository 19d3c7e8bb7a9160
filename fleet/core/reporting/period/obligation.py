"""Finds which release each node had to run by when, and what came of that. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.approval.exceptions import PatchException, in_force_throughout
from fleet.core.releases.release import Release
from fleet.core.reporting.period.compliance import Punctuality
from fleet.core.reporting.period.deadline import Deadline
from fleet.core.reporting.period.history import NodeHistory


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
    granted: tuple[PatchException, ...] = ()
    """The granted exceptions that cover the node and the release; of an obligation that was missed."""

    @property
    def missed(self) -> bool:
        """Returns whether the node did not run the release when it was due."""
        return self.state in ("late", "overdue", "excepted")


def obligations(
    nodes: Iterable[NodeHistory],
    streams: Mapping[str, Sequence[Release]],
    follows: Mapping[str, str],
    deadline: Deadline,
    horizon: datetime,
    exceptions: Sequence[PatchException],
) -> Iterator[Obligation]:
    """Yields what each node had to run until `horizon`, one release at a time."""
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
                yield _excepted(made, exceptions, end) if exceptions and made.missed else made


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


def _excepted(obligation: Obligation, exceptions: Sequence[PatchException], end: datetime) -> Obligation:
    """Returns the missed obligation with the exceptions that cover it; as `excepted` if they left no moment out."""
    node, version = obligation.node, obligation.release.version
    granted = tuple(
        each
        for each in exceptions
        if each.span is not None and each.covers(node.cluster, node.node, node.pool, version)
    )
    throughout = in_force_throughout(granted, obligation.due, obligation.met or end)
    return replace(obligation, granted=granted, state="excepted" if throughout else obligation.state)


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
