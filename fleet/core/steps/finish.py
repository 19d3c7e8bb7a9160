"""The steps that give a node back: it is uncordoned and soaks; and the cleanup of nodes whose run has ended."""

from __future__ import annotations

from datetime import datetime, timedelta

from fleet.core.guards import nodes
from fleet.core.objects.machine import Machine
from fleet.core.policy.hooks.hook import HookMoment
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import CancelRequest, Unmark
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import Step, StepResult
from fleet.core.state.indexes.engine_index import EngineIndex
from fleet.core.steps import daemonsets, quorum_work, verification
from fleet.core.steps.context import StepContext, StepEnd, failed
from fleet.core.steps.hooks import is_running, run_hooks
from fleet.core.steps.reboot import newly_failed


def uncordon(context: StepContext) -> StepEnd | None:
    """Puts the node back into service: it is upgraded and proven, or its run ended or went back before the reboot."""
    after = context.run.step is Step.UNCORDON
    waits = run_hooks(context, HookMoment.AFTER_NODE) if after else None
    if isinstance(waits, str):
        return failed(waits)
    if waits is not None:
        context.hold(waits)
        return None
    if is_running(context):
        return None
    if after and context.rollout.pool(context.run).hooks:
        context.hold()
    if not context.has_our_marks:
        return StepEnd(_end_of(context.run))
    context.request_uncordon()
    return None


def _end_of(run: Run) -> StepResult:
    if run.cancelled:
        return StepResult.CANCELLED
    return StepResult.BACK if run.comes_again else StepResult.DONE


def soak(context: StepContext) -> StepEnd | None:
    """Watches the node for its soak time; the end is recorded with the versions of etcd that the node's voters run then."""
    end = _soak(context)
    etcd = quorum_work.etcd_versions(context) if end is not None else {}
    return StepEnd(end.result, {**end.detail, "etcd_after": etcd}) if end is not None and etcd else end


def _soak(context: StepContext) -> StepEnd | None:
    if failure := newly_failed(context):
        return failed(failure)
    seconds = quorum_work.soak_seconds(context)
    why = quorum_work.why_not_recovered(context) or _newcomers(context)
    if context.node.ready is not True or why:
        context.state.not_ready.add(context.run.node)
        if context.expired(seconds + context.rollout.pool(context.run).reboot.timeout_seconds):
            return failed(why or context.node.why_unready or "it did not stay Ready")
        not_yet = Held(Reason.NOT_VERIFIED, context.node.name, {"why": why})
        context.hold(nodes.not_ready(context.node) if context.node.ready is not True else not_yet)
        context.recheck()
        return None
    if context.run.node in context.state.not_ready:
        context.state.not_ready.discard(context.run.node)
        context.state.healthy_since[context.run.node] = context.now
    since = context.state.healthy_since.get(context.run.node, context.run.since or context.now)
    end = since + timedelta(seconds=seconds)
    if quorum_work.defragment(context):
        return None
    if context.now >= end:
        context.state.healthy_since.pop(context.run.node, None)
        return StepEnd(StepResult.DONE)
    context.hold()
    context.wake_at(end)
    return None


def _newcomers(context: StepContext) -> str:
    """Returns why DaemonSets that want the node since its labels have changed are not Ready; empty: they are.

    Labels may change after the proof, so that DaemonSets come for which the proof could not wait.
    """
    not_ready = daemonsets.newcomers_not_ready(context.run, context.node, context.view)
    return f"DaemonSet pods are not Ready: {verification.listed(not_ready)}" if not_ready else ""


def clean_up(index: EngineIndex, rollout: Rollout, run: Run, now: datetime) -> bool:
    """Removes the rollout's marks from the node of an ended run; returns whether nothing is left.

    A failed run that keeps its slot keeps its cordon too, until an operator releases it. The effect of a recent request may
    exist without having been seen yet; where it was seen, the rollout ends at once.
    """
    view = index.state.view(run.node.cluster)
    if run.node not in rollout.acted:
        return True
    if not view.synced:
        return False
    node = view.nodes.get(run.node.name)
    if node is None or node.uid != run.goal.uid:
        return True
    if run.slot and node.cordoned_by == rollout.id:
        return True
    return _clean_node(StepContext(index, rollout, run, view, node, now))


def _clean_node(context: StepContext) -> bool:
    if context.has_our_marks:
        if context.node.cordoned_by == context.rollout.id:
            context.request_uncordon()
            return False
        context.hold_backoff("unmark")
        if context.may_issue("unmark"):
            context.issue(Unmark)
        return False
    machine = context.machine
    if machine is not None and _has_open_request(machine, context.rollout):
        context.hold_backoff("clear")
        if context.may_issue("clear"):
            context.issue(CancelRequest)
        return False
    if any(held.reason is Reason.BACKOFF for held in context.state.held.get(context.ref, ())):
        context.hold()
    # All three are asked: each sets the timer for its own delay.
    to_come = [
        kind
        for kind in ("mark", "stage", "cordon")
        if context.state.actions.may_appear(context.key(kind), context.now)
    ]
    return not to_come


def _has_open_request(machine: Machine, rollout: Rollout) -> bool:
    """Returns whether the machine has a request of this rollout that it might still act upon."""
    request = machine.request
    if request is None or not request.token.startswith(f"{rollout.id}/"):
        return False
    answer = machine.answer(request.token)
    return answer is None or answer.state == "working"
