"""Answers a question for all nodes: which are exposed, since when, and what fixes them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.exposure.advisory import SecurityAdvisory, is_covered
from fleet.core.exposure.contents import ReleaseContents
from fleet.core.exposure.declared import VexStatement, declared
from fleet.core.exposure.exposed_since import ExposedSince, PastSoftware, SoftwareHistory, exposed_since
from fleet.core.exposure.exposure_report import (
    AlikeAnswer,
    ExposedNode,
    ExposedNodes,
    ExposureAnswer,
    ExposureFix,
    in_order,
)
from fleet.core.exposure.question import AdvisoryQuestion, ExposureQuestion
from fleet.core.exposure.software import NodeSoftware
from fleet.core.exposure.verdict import ExposureState, ExposureVerdict
from fleet.core.exposure.vex import product
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.releases.release import Release, Stream, is_release
from fleet.core.reporting.node_state import ReleaseNames, StatusNode
from fleet.core.reporting.overview import DescribedNodes

DAY = 86_400.0


class ComingRelease(Struct, frozen=True):
    """A release that is on its way to a node."""

    release: Release
    at: datetime | None
    """When the node's run, or the whole rollout, is expected to end. None: not known."""
    rollout: str = ""
    """The active rollout that brings the release."""
    plan: str = ""
    """The stored plan that would bring the release, if no rollout does."""


FindComing = Callable[[NodeRef], Sequence[ComingRelease]]
"""Returns what is on its way to a node: by an active rollout first, then by a stored plan."""


FindContents = Callable[[Release], ReleaseContents | None]
"""Returns what a release contains; None if nobody says."""


class ExposureSources(Struct, frozen=True):
    """Holds what is asked, beside the nodes and the policy, while a question is answered."""

    coming: FindComing
    """Asked for exposed nodes alone, as is `history`."""
    history: SoftwareHistory
    contents: FindContents
    vex: tuple[VexStatement, ...] = ()


def answer(
    question: ExposureQuestion,
    nodes: Sequence[DescribedNodes],
    policy: Policy,
    now: datetime,
    sources: ExposureSources,
) -> AlikeAnswer:
    """Returns the answer for all nodes at the moment `now`. `nodes`: by site, cluster and pool."""
    answering = _Answering(question, policy, now, sources)
    judged = [answering.judged(alike) for alike in nodes]
    since = answering.since(judged)
    groups = tuple(in_order([rows for one in judged for rows in answering.rows(one, since)]))
    counts: Counter[str] = Counter()
    for node, names in groups:
        counts[node.state] += len(names)
    advisory = answering.advisory
    head = ExposureAnswer(
        question=question.text,
        title=advisory.title if advisory is not None else "",
        aliases=advisory.aliases if advisory is not None else (),
        published=advisory.published if advisory is not None else None,
        severity=advisory.severity if advisory is not None else "",
        severity_source=advisory.severity_source if advisory is not None else "",
        counts={state: counts[state] for state in ("affected", "fixed", "not_affected", "unknown")},
        nodes=(),
    )
    return AlikeAnswer(head, groups)


class _Subject(NamedTuple):
    """Holds what the answer for a node depends on: nodes with equal subjects are judged once."""

    software: NodeSoftware
    digest: str
    pool: str


class _Judged(NamedTuple):
    """Nodes that are alike, with what the question says of them."""

    node: StatusNode
    """Of any one of them."""
    names: Sequence[str]
    subject: _Subject
    verdict: ExposureVerdict


class _Answering:
    """One question, with what was judged so far."""

    def __init__(
        self, question: ExposureQuestion, policy: Policy, now: datetime, sources: ExposureSources
    ) -> None:
        self.advisory: SecurityAdvisory | None = (
            question.advisory if isinstance(question, AdvisoryQuestion) else None
        )
        self._question = question
        self._now = now
        self._sources = sources
        self._names = ReleaseNames(policy)
        self._streams: dict[str, Stream | None] = {
            pool.name: policy.stream(pool.stream) for pool in policy.pools
        }
        self._verdicts: dict[_Subject, ExposureVerdict] = {}
        self._past: dict[tuple[str, PastSoftware], ExposureState] = {}
        """What pools ran before: thousands of nodes ran the same."""
        self._later: dict[_Subject, ExposureFix] = {}
        self._fixes: dict[tuple[_Subject, Release], bool | None] = {}

    def judged(self, alike: DescribedNodes) -> _Judged:
        """Returns the nodes with their verdict."""
        node = alike.node
        software = NodeSoftware(
            node.os, node.version, node.kernel, node.kubelet, node.layered, node.live_patches
        )
        subject = _Subject(software, node.booted, node.pool)
        return _Judged(node, alike.names, subject, self._verdict(subject))

    def since(self, judged: Sequence[_Judged]) -> Mapping[NodeRef, ExposedSince]:
        """Returns since when the exposed ones of the nodes are so."""
        published = self.advisory.published if self.advisory is not None else None
        exposed = {
            NodeRef(one.node.cluster, name): one.node.pool
            for one in judged
            if one.verdict.state == "affected"
            for name in one.names
        }
        if not exposed or (published is not None and published > self._now):
            return {}
        history = self._sources.history
        return exposed_since(
            history, self._now, exposed, lambda ref, past: self._past_state(exposed[ref], past), published
        )

    def rows(self, judged: _Judged, since: Mapping[NodeRef, ExposedSince]) -> Iterator[ExposedNodes]:
        """Yields the answers for these nodes: one for those that are exposed since the same time, and to which the same
        is on its way."""
        node, names, subject, verdict = judged
        if verdict.state != "affected":
            yield ExposedNodes(self._row(judged, names[0]), names)
            return
        groups: dict[tuple[ExposedSince | None, tuple[ComingRelease, ...]], list[str]] = {}
        for name in names:
            ref = NodeRef(node.cluster, name)
            groups.setdefault((since.get(ref), tuple(self._sources.coming(ref))), []).append(name)
        for (begin, coming), members in groups.items():
            fix = self._fix(subject, coming)
            yield ExposedNodes(self._row(judged, members[0], begin, fix), members)

    def _row(
        self, judged: _Judged, name: str, since: ExposedSince | None = None, fix: ExposureFix | None = None
    ) -> ExposedNode:
        node, verdict = judged.node, judged.verdict
        return ExposedNode(
            cluster=node.cluster,
            site=node.site,
            pool=node.pool,
            node=name,
            os=node.os,
            version=node.version,
            kernel=node.kernel,
            digest=node.booted,
            state=verdict.state,
            reason=verdict.reason,
            message=verdict.message,
            since=since.at if since is not None else None,
            at_least=since is not None and since.at_least,
            days=round((self._now - since.at).total_seconds() / DAY, 2) if since is not None else None,
            fix=fix,
            last_seen=node.last_seen,
        )

    def _verdict(self, subject: _Subject) -> ExposureVerdict:
        found = self._verdicts.get(subject)
        if found is None:
            found = self._verdicts[subject] = self._judge(subject)
        return found

    def _past_state(self, pool: str, past: PastSoftware) -> ExposureState:
        """Returns how software is judged that a node of the pool ran before."""
        key = pool, past
        if (known := self._past.get(key)) is not None:
            return known
        software = NodeSoftware(
            past.os_image,
            self._names.reported(past.booted).version,
            past.kernel,
            past.kubelet,
            past.layered,
            past.live_patches,
        )
        digest = past.booted.digest if past.booted is not None else ""
        state = self._past[key] = self._verdict(_Subject(software, digest, pool)).state
        return state

    def _judge(self, subject: _Subject) -> ExposureVerdict:
        """A stream or a VEX document that says that the booted release fixes the advisory is right, whatever the kernel's
        number is."""
        stream = self._streams.get(subject.pool)
        if self.advisory is not None and stream is not None:
            release = _declares(self.advisory, stream, _booted(subject))
            if release is not None:
                message = f"stream {stream.name} lists {self.advisory.id} as fixed in {release.version}"
                return ExposureVerdict("fixed", "declared-fixed", message)
        if self.advisory is not None and self._sources.vex:
            own = subject.software
            names = {subject.digest, product(own.os_image, subject.digest, own.version, own.kernel)} - {""}
            found = declared(self._sources.vex, self.advisory, frozenset(names), own.live_patches)
            if found is not None:
                return found
        contents = self._sources.contents(_booted(subject))
        return self._question.judge(replace(subject.software, contents=contents))

    def _fix(self, subject: _Subject, coming: Sequence[ComingRelease]) -> ExposureFix:
        """Returns what fixes an exposed node first; without it, what may fix the node."""
        stream = self._stream_fix(subject)
        if not coming:
            return stream
        judged = [(one, self._fixes_it(subject, one.release)) for one in coming]
        for certain in (True, None):
            for one, fixed in judged:
                if fixed is certain:
                    kind: Literal["rollout", "plan"] = "rollout" if one.rollout else "plan"
                    version = one.release.version
                    return ExposureFix(kind, version, one.rollout, one.plan, one.at, fixed is True)
            if stream.kind == "release" and stream.certain is (certain is True):
                return stream
        return stream

    def _stream_fix(self, subject: _Subject) -> ExposureFix:
        """Returns the newest release of the pool's stream that is newer than the booted one and fixes the node."""
        if (known := self._later.get(subject)) is not None:
            return known
        stream = self._streams.get(subject.pool)
        releases = stream.releases if stream is not None else ()
        own = _position(releases, _booted(subject))
        later = [(one, self._fixes_it(subject, one)) for one in reversed(releases[own + 1 :])]
        fix = ExposureFix("none")
        for certain in (None, True):
            found = next((one for one, fixed in later if fixed is certain), None)
            if found is not None:
                fix = ExposureFix("release", found.version, certain=certain is True)
        self._later[subject] = fix
        return fix

    def _fixes_it(self, subject: _Subject, release: Release) -> bool | None:
        """Returns whether the node is no longer affected with that release. None: that cannot be known."""
        key = (subject, release)
        if key not in self._fixes:
            self._fixes[key] = self._judge_release(subject, release)
        return self._fixes[key]

    def _judge_release(self, subject: _Subject, release: Release) -> bool | None:
        stream = self._streams.get(subject.pool)
        if self.advisory is not None and stream is not None and _declares(self.advisory, stream, release):
            return True
        own = subject.software
        kubelet = release.kubelet or own.kubelet
        state = self._question.judge(
            NodeSoftware(
                own.os_image,
                release.version,
                release.kernel,
                kubelet,
                own.layered,
                contents=self._sources.contents(release),
            )
        ).state
        return None if state == "unknown" else state != "affected"


def _booted(subject: _Subject) -> Release:
    return Release(subject.software.version, subject.digest)


def _position(releases: Sequence[Release], release: Release) -> int:
    return next((place for place, one in enumerate(releases) if is_release(release, one)), -1)


def _declares(advisory: SecurityAdvisory, stream: Stream, release: Release) -> Release | None:
    """Returns the release of the stream with which all that the advisory is about is listed as fixed, and which is not
    newer than `release`; None if there is none."""
    listed: set[str] = set()
    for one in stream.releases[: _position(stream.releases, release) + 1]:
        listed.update(fixed.id for fixed in one.advisories or ())
        if is_covered(advisory, listed):
            return one
    return None
