"""Makes the report of a rollout. Pure: journal entries in, a frozen `Report` out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec import UNSET

from fleet.core.objects.node import NodeRef
from fleet.core.planning.eta import seconds_left
from fleet.core.planning.plan import Plan
from fleet.core.policy.policy import Pool
from fleet.core.policy.windows import merged
from fleet.core.records.held import Held
from fleet.core.records.journal import JournalEntry
from fleet.core.records.reasons.reason import HALTING
from fleet.core.reporting.node_timeline import StepTaken
from fleet.core.reporting.report import (
    Against,
    Counts,
    Ending,
    Hold,
    JournalSpan,
    PlannedSpan,
    Report,
    ReportPool,
    ReportRun,
    Verdict,
    VerificationProof,
)
from fleet.core.reporting.step_durations import step_durations
from fleet.core.reporting.timeline import Timeline
from fleet.core.rollout.goal import StartApproval
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import HAS_SLOT, Step


def make_report(
    rollout: str,
    entries: Iterable[JournalEntry],
    at: datetime,
    verdict: Verdict,
    plan: Plan | None = None,
    held: Mapping[NodeRef, Sequence[Held]] = {},
) -> Report:
    """Returns the report of the rollout with that id. `entries`: in the journal's order; entries of other rollouts are
    skipped.

    `held`: the known reasons that hold nodes now. Raises LookupError if no entry starts that rollout.
    """
    timeline = Timeline(rollout)
    timeline.apply(entries)
    return report_of(timeline, at, verdict, plan, held)


def report_of(
    timeline: Timeline,
    at: datetime,
    verdict: Verdict,
    plan: Plan | None = None,
    held: Mapping[NodeRef, Sequence[Held]] = {},
    pools: Collection[str] = (),
) -> Report:
    """Returns the report of a timeline. `pools`: the pools whose nodes are reported; empty: all. Raises LookupError if
    no entry starts the rollout."""
    if timeline.rollout is None:
        raise LookupError(f"the journal has no rollout {timeline.id}")
    return _ReportBuilder(timeline, timeline.rollout, at, plan, held, pools).report(verdict)


class _ReportBuilder:
    def __init__(
        self,
        timeline: Timeline,
        rollout: Rollout,
        at: datetime,
        plan: Plan | None,
        held: Mapping[NodeRef, Sequence[Held]],
        pools: Collection[str],
    ) -> None:
        self.timeline = timeline
        self.rollout = rollout
        self.at = at
        self.plan = plan
        self.held = held
        self.end = rollout.ended_at or at
        planned = plan.runs if plan is not None else ()
        self.planned = {NodeRef(run.cluster, run.node): run for run in planned}
        runs = [run for run in rollout.runs.values() if not pools or run.goal.pool in pools]
        self.runs = sorted((self._run(run) for run in runs), key=_order)

    def report(self, verdict: Verdict) -> Report:
        rollout, timeline = self.rollout, self.timeline
        approval = rollout.start.approval if isinstance(rollout.start.approval, StartApproval) else None
        versions = Counter(run.from_version for run in self.runs)
        return Report(
            rollout=rollout.id,
            at=self.at,
            state=str(rollout.state),
            why=rollout.why,
            by=rollout.by,
            plan=rollout.start.plan,
            target=rollout.release,
            from_versions=dict(versions.most_common()),
            started=rollout.started_at,
            ended=rollout.ended_at,
            seconds=(self.end - rollout.started_at).total_seconds(),
            clusters=tuple(dict.fromkeys(ref.cluster for ref in rollout.runs)),
            counts=self._counts(),
            pools=tuple(self._pools()),
            peak=timeline.peak,
            peak_at=timeline.peak_at,
            durations=tuple(step_durations(self.runs)),
            against=self._against(self.plan) if self.plan is not None else None,
            commands=tuple(timeline.commands),
            halts=tuple(timeline.halts),
            controllers=tuple(timeline.controllers.values()),
            runs=tuple(self.runs),
            held=tuple(self._holds()),
            journal=_journal_span(timeline, verdict),
            entries=tuple(timeline.entries),
            asked_by=approval.asked_by if approval is not None else "",
            effect=approval.effect if approval is not None else "",
            override_freeze=rollout.override_freeze,
            approvals=approval.given if approval is not None else (),
            standing=rollout.start.standing,
            hooks=timeline.hooks.of_rollout() or UNSET,
        )

    def _run(self, run: Run) -> ReportRun:
        goal, timeline = run.goal, self.timeline
        past = timeline.nodes[run.node]
        steps = tuple(past.steps)
        proof = msgspec.convert(run.proof, VerificationProof) if run.proof else None
        before = self.rollout.policy.find_release(goal.from_version)
        ended = steps[-1].end if run.ended else None
        begun = _begun(steps)
        return ReportRun(
            cluster=run.node.cluster,
            node=run.node.name,
            pool=goal.pool,
            site=goal.site,
            zone=goal.zone,
            canary=goal.canary,
            ending=_ending(run),
            step=str(run.step),
            from_version=goal.from_version,
            from_kernel=before.kernel if before is not None else "",
            # A host may report no version, or the version of the image from which its own was built.
            to_version=run.release.version,
            to_kernel=proof.kernel if proof is not None else run.release.kernel,
            begun=begun,
            ended=ended,
            seconds=(ended - begun).total_seconds() if ended and begun else None,
            why=run.why,
            proof=proof,
            slot=run.slot,
            released=timeline.released.get(run.node),
            rolled_back=run.rolled_back,
            log=run.log,
            planned=self._planned(run.node),
            steps=steps,
            evictions=tuple(past.evictions.values()),
            quorums=tuple(past.quorums.values()),
            retries=tuple(past.retries),
            held=tuple(hold.message for hold in self.held.get(run.node, ())) if not run.ended else (),
            hooks=timeline.hooks.of_node(run.node) or UNSET,
        )

    def _planned(self, ref: NodeRef) -> PlannedSpan | None:
        planned = self.planned.get(ref)
        if planned is None:
            return None
        start = self.rollout.started_at
        return PlannedSpan(start + timedelta(seconds=planned.start), start + timedelta(seconds=planned.end))

    def _counts(self) -> Counts:
        endings = [run.ending for run in self.runs]
        evictions = [eviction for run in self.runs for eviction in run.evictions]
        return Counts(
            nodes=len(endings),
            done=endings.count("done"),
            proven=sum(run.ending == "done" and run.proof is not None for run in self.runs),
            failed=endings.count("failed"),
            cancelled=endings.count("cancelled"),
            running=endings.count("running"),
            waiting=endings.count("waiting"),
            held=sum(1 for _ in self._holds()),
            unreleased=sum(run.ending == "failed" and run.slot for run in self.runs),
            evictions=sum(eviction.result == "done" for eviction in evictions),
            refusals=sum(eviction.refusals for eviction in evictions),
        )

    def _pools(self) -> Iterator[ReportPool]:
        for name in dict.fromkeys(run.pool for run in self.runs):
            runs = [run for run in self.runs if run.pool == name]
            pool = self.rollout.policy.pool(name) or Pool(name)
            limit = pool.limits.max_unavailable
            begin = self.rollout.started_at
            places = dict.fromkeys((run.cluster, run.site) for run in runs)
            schedules = dict.fromkeys(self.rollout.schedules.of(name, *place) for place in places)
            spans = merged(span for each in schedules for span in each.open_spans(begin, self.end))
            always = spans == [(begin, self.end)] or begin == self.end
            yield ReportPool(
                name=name,
                nodes=len(runs),
                done=sum(run.ending == "done" for run in runs),
                failed=sum(run.ending == "failed" for run in runs),
                peak=self.timeline.peaks.get(name, 0),
                limit=str(limit) if limit is not None else "",
                windows=() if always else tuple(PlannedSpan(*span) for span in spans),
                always_open=always,
            )

    def _holds(self) -> Iterator[Hold]:
        """Yields for each node what needs an operator now, or what the plan found where the present state is not known.
        That the whole rollout is halted is reported elsewhere."""
        planned = {NodeRef(hold.cluster, hold.node): hold for hold in (self.plan.held if self.plan else ())}
        for run in self.runs:
            ref = NodeRef(run.cluster, run.node)
            if run.ending not in ("waiting", "cancelled"):
                continue
            reasons = [held for held in self.held.get(ref, ()) if held.reason not in HALTING]
            now = next((held for held in reasons if held.needs_action), None)
            if now is not None:
                yield Hold(run.cluster, run.node, str(now.reason), now.message, now.remedy)
            elif ref not in self.held and (hold := planned.get(ref)) is not None:
                yield Hold(run.cluster, run.node, hold.reason, hold.detail, hold.remedy)

    def _against(self, plan: Plan) -> Against:
        start = self.rollout.started_at
        ends = [run.ended if run.ending != "cancelled" else None for run in self.runs]
        last = max((end for end in ends if end is not None), default=start)
        return Against(
            plan=plan.plan_id,
            planned_seconds=plan.makespan_seconds,
            p95_seconds=plan.p95_seconds,
            bound_seconds=plan.lower_bound_seconds,
            bound_by=plan.bound_by,
            planned_end=start + timedelta(seconds=plan.makespan_seconds),
            eta=self._eta(plan),
            seconds=(last - start).total_seconds() if None not in ends else None,
            planned_evictions=plan.evictions,
            evictions=self._counts().evictions,
            planned_peak=plan.peak_unavailable,
            peak=self.timeline.peak,
            durations=plan.durations,
        )

    def _eta(self, plan: Plan) -> datetime | None:
        if self.rollout.ended_at is not None:
            return self.rollout.ended_at
        left = seconds_left(self.rollout, plan, self.at)
        return self.at + timedelta(seconds=left) if left is not None else None


def _journal_span(timeline: Timeline, verdict: Verdict) -> JournalSpan:
    if timeline.first is None or timeline.last is None:
        raise LookupError(f"the journal has no entry of {timeline.id}")
    return JournalSpan(
        entries=timeline.count,
        first_seq=timeline.first.seq,
        first_hash=timeline.first.hash,
        last_seq=timeline.last.seq,
        last_hash=timeline.last.hash,
        verdict=verdict,
    )


def _begun(steps: Sequence[StepTaken]) -> datetime | None:
    """Returns when the run took its slot. A slot that the run had to give back does not count."""
    for step_taken in reversed(steps):
        if step_taken.step == Step.CORDON:
            return step_taken.start
        if step_taken.step == Step.STAGED:
            break
    return None


def _ending(run: Run) -> Ending:
    match run.step:
        case Step.DONE:
            return "done"
        case Step.FAILED:
            return "failed"
        case Step.CANCELLED:
            return "cancelled"
        case step:
            return "running" if step in HAS_SLOT or step is Step.STAGE else "waiting"


def _order(run: ReportRun) -> tuple[bool, datetime, bool, str, str]:
    first = run.steps[0].start
    return run.begun is None, run.begun or run.ended or first, not run.canary, run.cluster, run.node
