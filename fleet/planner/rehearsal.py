"""Rehearses a plan: how long it takes if its parts take as long as measured ones did, drawn again and again.

To run the engine once more for each draw would take as long as planning did. So a rehearsal keeps the order of the plan
and what each run waited for: its own image, so many others to have come back, a window. Only lengths are drawn; what lies
between the last of these and its begin stays as planned. With the planned lengths a rehearsal ends when the plan does. A
run that would miss its window begins in the next one, and what waits for it later still.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from heapq import heappop, heappush
from math import ceil, inf, isfinite
from random import Random
from typing import NamedTuple

from fleet.core.planning.estimates import EstimateKey, Ratios
from fleet.core.planning.plan import PlannedRun
from fleet.core.policy.policy import Policy
from fleet.core.policy.schedule import Schedule, Schedules
from fleet.core.rollout.steps import HAS_SLOT, Step

DRAWS = 100
"""The number of rehearsals of which the p95 is taken."""
HORIZON = timedelta(weeks=13)
"""Windows are computed so far ahead, or to the first opening after the end of the plan."""
TIE = 1.0
"""Seconds. Two ends that lie closer together count as one for what waits for them."""
EXACT = 1e-6


class Lengths(NamedTuple):
    """The measured durations of the parts of one run, each as a ratio to what is planned for that part."""

    stage: Ratios
    reboot: Ratios
    pod_stop: Ratios
    pod_start: Ratios


class Openings(NamedTuple):
    """The spans in which runs of a pool may begin, in seconds since the plan's start."""

    firsts: Sequence[float]
    lasts: Sequence[float]

    def following(self, moment: float) -> float:
        """Returns the first moment from this one on at which a run may begin; infinity if none is known."""
        index = bisect_left(self.lasts, moment)
        return max(moment, self.firsts[index]) if index < len(self.firsts) else inf


class Activity(NamedTuple):
    """One of two things: a node's image is written, or the node is out of service. Lengths are seconds, as planned."""

    pool: str
    image: int | None
    """The index of the activity that writes the node's image; None if it is written already, or by this activity."""
    images: int
    """How many images of the pool had to be written before this activity began."""
    outs: int
    """How many nodes of the pool had to be back before this activity began."""
    gap: float
    """From the last of these until the activity began; from the plan's start if the activity waited for none."""
    openings: Openings | None
    """None: the pool may begin at any time."""
    lengths: Lengths
    stage: float
    """How long the image is written; 0 for the activity of a node that is out of service."""
    refused: float = 0.0
    """The part of the drain until the last eviction was granted: it waited for pods on other nodes to become Ready."""
    stops: float = 0.0
    """The rest of the drain: its last pods stop."""
    pods: int = 0
    reboot: float = 0.0
    """The reboot, with the verification after it."""
    rest: float = 0.0
    """Seconds of the parts that always take as long as planned, such as the soak."""


def rehearsal(
    runs: Iterable[PlannedRun],
    policy: Policy,
    start: datetime,
    needed: timedelta,
    groups: Mapping[str, Mapping[str, EstimateKey]],
    lengths: Callable[[EstimateKey], Lengths],
) -> list[Activity]:
    """Returns the activities of a plan in the order in which they begin. `needed`: how long a run must fit into a window
    to begin. `groups`: those of the nodes, by cluster and name."""
    schedules = Schedules(policy)
    openings: dict[Schedule, Openings | None] = {}
    lengths_of: dict[EstimateKey, Lengths] = {}
    ends: dict[tuple[str, bool], _Planned] = {}
    images: dict[tuple[str, str], tuple[int, float]] = {}
    activities: list[Activity] = []
    ordered = sorted((span for run in runs for span in _spans(run)), key=lambda span: span.begin)
    last = start + timedelta(seconds=max((span.end for span in ordered), default=0.0))
    for span in ordered:
        name, pool = (span.run.cluster, span.run.node), span.run.pool
        group = groups[span.run.cluster][span.run.node]
        if group not in lengths_of:
            lengths_of[group] = lengths(group)
        written, back = (ends.setdefault((pool, image), _Planned()) for image in (True, False))
        if span.image:
            images[name] = len(activities), span.end
            activities.append(_image(span, written, back, lengths_of[group]))
        else:
            schedule = schedules.of(pool, span.run.cluster, span.run.site)
            if schedule not in openings:
                openings[schedule] = _openings(schedule, start, last, needed)
            activities.append(_out(span, images.get(name), back, openings[schedule], lengths_of[group]))
        (written if span.image else back).add(span.end)
    return activities


def _image(span: _Span, written: _Planned, back: _Planned, lengths: Lengths) -> Activity:
    """Returns the activity that writes an image. Images are written one after another, unless a node that came back later,
    such as a canary, let this one begin."""
    images, free = written.needed(span.begin)
    outs, later = back.needed(span.begin, takes=False)
    outs, free = (outs, later) if later > free + TIE else (0, free)
    length = max(span.end - span.begin, EXACT)
    return Activity(span.run.pool, None, images, outs, span.begin - free, None, lengths, length)


def _out(
    span: _Span,
    image: tuple[int, float] | None,
    back: _Planned,
    openings: Openings | None,
    lengths: Lengths,
) -> Activity:
    """Returns the activity of a node that is out of service. `image`: the index of the activity that wrote its image, and
    when that ended."""
    outs, free = back.needed(span.begin)
    index, written = image or (None, 0.0)
    free = max(written, _following(openings, free) if outs else 0.0)
    steps, pods = span.run.steps, len(span.run.evictions)
    drains = [step for step in steps if step.step == Step.DRAIN]
    drain = sum(step.end - step.start for step in drains)
    reboot = sum(step.end - step.start for step in steps if step.step in (Step.REBOOT, Step.VERIFY))
    granted = max((eviction.at for eviction in span.run.evictions), default=0.0)
    refused = min(max(granted - drains[0].start, 0.0), drain) if drains else 0.0
    stops = drain - refused if pods else 0.0
    rest = span.end - span.begin - reboot - refused - stops
    gap = max(0.0, span.begin - free)
    parts = (refused, stops, pods, reboot, rest)
    return Activity(span.run.pool, index, 0, outs, gap, openings, lengths, 0.0, *parts)


def p95(activities: Sequence[Activity]) -> float | None:
    """Returns the seconds that 95 of 100 rehearsals do not exceed; None if they find no window."""
    rng = Random(0)  # noqa: S311
    ends = sorted(rehearse(activities, rng) for _ in range(DRAWS))
    late = ends[ceil(DRAWS * 0.95) - 1]
    return late if isfinite(late) else None


def rehearse(activities: Sequence[Activity], rng: Random) -> float:
    """Returns the seconds from the plan's start until its last run has ended; infinity if a run finds no window."""
    written: dict[str, _Drawn] = {activity.pool: _Drawn() for activity in activities}
    back: dict[str, _Drawn] = {activity.pool: _Drawn() for activity in activities}
    ends: list[float] = []
    for activity in activities:
        begin = written[activity.pool].first(activity.images) if activity.images else 0.0
        if activity.outs:
            begin = max(begin, _following(activity.openings, back[activity.pool].first(activity.outs)))
        if activity.image is not None:
            begin = max(begin, ends[activity.image])
        end = _following(activity.openings, begin + activity.gap) + _length(activity, rng)
        ends.append(end)
        (written if activity.stage else back)[activity.pool].add(end)
    return max(ends, default=0.0)


def _following(openings: Openings | None, moment: float) -> float:
    return moment if openings is None else openings.following(moment)


def _length(activity: Activity, rng: Random) -> float:
    """Draws the length of an activity. A drain is as long as the slowest of the node's pods takes to stop. One draw stands
    for all that the drain waits for until its evictions are granted."""
    lengths = activity.lengths
    if activity.stage:
        return activity.stage * _drawn(lengths.stage, rng.random())
    seconds = activity.rest + activity.reboot * _drawn(lengths.reboot, rng.random())
    if activity.pods:
        seconds += activity.refused * _drawn(lengths.pod_start, rng.random())
        # The greatest of several draws is as one draw of this share.
        seconds += activity.stops * _drawn(lengths.pod_stop, rng.random() ** (1 / activity.pods))
    return seconds


def _drawn(ratios: Ratios, share: float) -> float:
    return ratios[min(int(share * len(ratios)), len(ratios) - 1)]


class _Span(NamedTuple):
    """Says when one activity began and ended in the plan."""

    run: PlannedRun
    image: bool
    begin: float
    end: float


def _spans(run: PlannedRun) -> Iterator[_Span]:
    image = [step for step in run.steps if step.step == Step.STAGE]
    out = [step for step in run.steps if step.step in HAS_SLOT]
    if image:
        yield _Span(run, True, image[0].start, image[-1].end)
    if out:
        yield _Span(run, False, out[0].start, out[-1].end)


class _Planned:
    """Says when the images of one pool are written, or when its nodes are back, as planned."""

    def __init__(self) -> None:
        self._ahead: list[float] = []
        self._ended: list[float] = []
        self._taken = 0

    def add(self, end: float) -> None:
        heappush(self._ahead, end)

    def needed(self, moment: float, *, takes: bool = True) -> tuple[int, float]:
        """Returns how many must have ended for what begins at this moment, and when that was. If several ended together,
        each of them makes room for one that `takes` its place."""
        while self._ahead and self._ahead[0] <= moment + EXACT:
            self._ended.append(heappop(self._ahead))
        if not self._ended:
            return 0, 0.0
        earlier = bisect_left(self._ended, self._ended[-1] - TIE)
        count = min(len(self._ended), max(self._taken, earlier) + 1)
        if takes:
            self._taken = count
        return count, self._ended[count - 1]


class _Drawn:
    """Says when the images of one pool are written, or when its nodes are back, as drawn. Callers ask in the order in
    which the plan's activities begin."""

    def __init__(self) -> None:
        self._ahead: list[float] = []
        self._count = 0
        self._latest = 0.0

    def add(self, end: float) -> None:
        heappush(self._ahead, end)

    def first(self, count: int) -> float:
        """Returns the moment at which so many have ended."""
        while self._count < count:
            self._latest = max(self._latest, heappop(self._ahead))
            self._count += 1
        return self._latest


def _openings(schedule: Schedule, start: datetime, last: datetime, needed: timedelta) -> Openings | None:
    """Returns the openings of the schedule. `last`: the end of the plan."""
    if schedule.always_open:
        return None
    until = max(last, schedule.last_moment(start, HORIZON))
    following = schedule.next_start(until, needed)
    if following is not None and following > until:
        until = schedule.closes(following) or following
    spans = schedule.starts(start, until, needed)
    firsts = [(first - start).total_seconds() for first, _ in spans]
    return Openings(firsts, [(last - start).total_seconds() for _, last in spans])
