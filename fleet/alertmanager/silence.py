"""Silences as Alertmanager has them: which are ours, and what has to be posted and deleted. Pure.

Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml (gettableSilence, postableSilence).
Seen on 0.25: a silence that is posted with its id and another startsAt becomes another silence; the same silence posted
twice without an id is two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from msgspec import Struct

from fleet.core.objects.node import NodeRef

LENGTH = timedelta(minutes=30)
"""How long a silence lasts. It ends by itself so long after a controller that died without another one."""
EXTENDED_BELOW = timedelta(minutes=20)
"""A silence that lasts no longer than this is extended."""


class Matcher(Struct, frozen=True):
    name: str
    value: str
    isRegex: bool
    isEqual: bool = True


class Status(Struct, frozen=True):
    state: str
    """`active`, `pending` or `expired`."""


class StoredSilence(Struct, frozen=True):
    """A silence that Alertmanager has."""

    id: str
    status: Status
    matchers: tuple[Matcher, ...]
    startsAt: str
    """As Alertmanager wrote it: sent back as it is, since any other time makes another silence."""
    endsAt: datetime
    createdBy: str
    comment: str

    @property
    def labels(self) -> dict[str, str] | None:
        """Returns the labels that it compares by equality; None: it compares in another way."""
        if any(matcher.isRegex or not matcher.isEqual for matcher in self.matchers):
            return None
        return {matcher.name: matcher.value for matcher in self.matchers}


class Subject(NamedTuple):
    """Names what a silence of fleet is for."""

    rollout: str
    node: NodeRef
    rule: str

    @property
    def comment(self) -> str:
        return f"fleet: rollout {self.rollout}, node {self.node}, silence {self.rule}"


class Upkeep(NamedTuple):
    """Tells what has to be done so that exactly one silence is there, and lasts long enough."""

    post: Mapping[str, Any] | None
    """What is posted; None: nothing."""
    delete: Sequence[str]
    """The ids of the silences that are deleted."""


def creator(fleet: str) -> str:
    """Returns `createdBy` of the silences of one fleet. `fleet`: what tells its database from all others."""
    return f"fleet/{fleet}"


def ours(silences: Sequence[StoredSilence], fleet: str) -> list[StoredSilence]:
    """Returns the silences of this fleet that have not ended."""
    return [
        silence
        for silence in silences
        if silence.createdBy == creator(fleet)
        and silence.comment.startswith("fleet: ")
        and silence.status.state != "expired"
    ]


def upkeep(
    own: Sequence[StoredSilence], subject: Subject, labels: Mapping[str, str], fleet: str, now: datetime
) -> Upkeep:
    """Returns what to do for the silence of a subject. `own`: the silences of this fleet that have not ended."""
    same = [silence for silence in own if silence.comment == subject.comment and silence.labels == labels]
    other = [silence.id for silence in own if silence.comment == subject.comment and silence not in same]
    if not same:
        return Upkeep(_posted(subject, labels, fleet, now.isoformat(), now), other)
    kept = max(same, key=lambda silence: (silence.endsAt, silence.id))
    surplus = [silence.id for silence in same if silence is not kept] + other
    if kept.endsAt > now + EXTENDED_BELOW:
        return Upkeep(None, surplus)
    return Upkeep({"id": kept.id, **_posted(subject, labels, fleet, kept.startsAt, now)}, surplus)


def _posted(
    subject: Subject, labels: Mapping[str, str], fleet: str, starts_at: str, now: datetime
) -> dict[str, Any]:
    return {
        "matchers": [
            {"name": name, "value": value, "isRegex": False, "isEqual": True}
            for name, value in sorted(labels.items())
        ],
        "startsAt": starts_at,
        "endsAt": (now + LENGTH).isoformat(),
        "createdBy": creator(fleet),
        "comment": subject.comment,
    }
