"""Answers which nodes are exposed, from the inventory, the policy, the rollouts and the stored plans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.app.reporting.status import clusters_of, etas, groups_in, refuse_unknown
from fleet.app.reporting.totals.present import alike_now
from fleet.app.wiring.home import Home
from fleet.app.wiring.sboms import ReleaseSboms
from fleet.core.exposure.answering import ComingRelease, ExposureSources, FindComing, answer
from fleet.core.exposure.declared import VexStatement, read_vex
from fleet.core.exposure.exposure_report import AlikeReport
from fleet.core.exposure.formats.read import read_advisory
from fleet.core.exposure.question import AdvisoryQuestion, ExposureQuestion
from fleet.core.objects.node import NodeRef
from fleet.core.reporting.ended_rollout import EndedRollout
from fleet.core.reporting.overview import DescribedNodes, each_alone, totals
from fleet.core.reporting.selection import Selection, is_selected, select
from fleet.drivers.journal.brief import active_of, in_brief
from fleet.system.given_file import given_file, shown_name

if TYPE_CHECKING:
    from fleet.core.policy.policy import Policy
    from fleet.core.rollout.rollout import Rollout

LARGEST = 64 * 1024 * 1024
"""The size of the largest advisory that is read, in bytes."""


def exposure(
    home: Home,
    questions: Sequence[ExposureQuestion],
    selection: Selection,
    at: datetime | None = None,
    vex: tuple[VexStatement, ...] = (),
) -> AlikeReport:
    """Returns the answers for the selected part of the fleet, now or at a past moment. Only the database is read.

    `vex` is what is declared about images and live patches. What fixes a node at a past moment is what its stream had
    then: rollouts and plans are those of now, and left out. Raises UsageError for an unknown cluster, site or pool, and
    for a moment of which nothing is known.
    """
    now = home.now() if at is None else at
    coming: FindComing
    if at is None:
        nodes, policy = _present(home, selection, now)
        coming = _Coming(home, now).to
    else:
        from fleet.app.reporting.past import moment_at

        status, policy = moment_at(home, at, selection)
        nodes, coming = each_alone(select(status, selection).nodes), _nothing
    sources = ExposureSources(coming, home.store.software, ReleaseSboms(home.policy_file).of, vex)
    asked = [alike for alike in nodes if alike.node.state != "orphan"]
    return AlikeReport(now, tuple(answer(question, asked, policy, now, sources) for question in questions))


def _present(home: Home, selection: Selection, now: datetime) -> tuple[list[DescribedNodes], Policy]:
    """Returns the selected nodes as they are now, those that are alike once, and the policy. Whether a rollout works on
    them is not asked. Raises UsageError for an unknown cluster, site or pool."""
    chosen = home.clusters(selection.clusters)
    alike, policy = alike_now(home, chosen)
    found = totals(now, clusters_of(home, chosen, alike, groups_in(home)), alike, policy)
    refuse_unknown(selection, found.status, policy)
    return [nodes for nodes in found.alike if is_selected(nodes.node, selection)], policy


def _nothing(node: NodeRef) -> Sequence[ComingRelease]:
    return ()


def advisories(paths: Iterable[Path]) -> list[ExposureQuestion]:
    """Returns the question that each file asks. Raises UsageError for a file that cannot be read or is no advisory."""
    return [
        AdvisoryQuestion(read_advisory(_content(path, "give the file of an advisory"), shown_name(path)))
        for path in paths
    ]


def vex_statements(paths: Iterable[Path]) -> tuple[VexStatement, ...]:
    """Returns what OpenVEX documents declare. Raises UsageError for a file that cannot be read or is none."""
    return tuple(
        statement
        for path in paths
        for statement in read_vex(_content(path, "give the file of an OpenVEX document"), shown_name(path))
    )


def _content(path: Path, remedy: str) -> bytes:
    return given_file(path, LARGEST, remedy).content


class _Coming:
    """Knows what is on its way to each node. Rollouts and plans are read when the first exposed node asks."""

    def __init__(self, home: Home, now: datetime) -> None:
        self._home = home
        self._now = now

    @cached_property
    def _rollouts(self) -> Sequence[Rollout | EndedRollout]:
        return in_brief(self._home.store.journal, self._home.store.folds)

    def to(self, node: NodeRef) -> Sequence[ComingRelease]:
        """Returns what is on its way to the node: by an active rollout first, then by the newest plan that was not
        started."""
        return (*self._by_rollout.get(node, ()), *self._by_plan.get(node, ()))

    @cached_property
    def _by_rollout(self) -> dict[NodeRef, tuple[ComingRelease, ...]]:
        found: dict[NodeRef, tuple[ComingRelease, ...]] = {}
        active = active_of(self._rollouts)
        left = etas(self._home, active)
        for rollout in active:
            seconds = left.get(rollout.id)
            at = self._now + timedelta(seconds=seconds) if seconds is not None else None
            coming = ComingRelease(rollout.start.release, at, rollout=rollout.id)
            for ref in _remaining(rollout):
                found[ref] = (*found.get(ref, ()), coming)
        return found

    @cached_property
    def _by_plan(self) -> dict[NodeRef, tuple[ComingRelease, ...]]:
        started = {rollout.start.plan for rollout in self._rollouts}
        row = next((row for row in self._home.store.plans.list() if row.plan_id not in started), None)
        plan = self._home.store.plans.find(row.plan_id) if row is not None else None
        if plan is None:
            return {}
        # A plan that was made for a time in the past would now be done later by as much.
        start = max(plan.start, self._now)
        return {
            NodeRef(run.cluster, run.node): (
                ComingRelease(plan.target, start + timedelta(seconds=run.end), plan=plan.plan_id),
            )
            for run in plan.runs
        }


def _remaining(rollout: Rollout) -> list[NodeRef]:
    return [ref for ref, run in rollout.runs.items() if not run.ended]
