"""Back into service: uncordoned, proven for its soak; and what is ours on nodes of ended runs is taken away."""

from __future__ import annotations

from datetime import datetime, timedelta

from fleet.core.guards import nodes
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.records.held import Held, Reason
from fleet.core.rollout.action import CancelRequest, Unmark
from fleet.core.rollout.rollout import Rollout, Run
from fleet.core.rollout.steps import StepResult
from fleet.core.state.agenda import EngineState
from fleet.core.steps import daemonsets, quorum_work, verification
from fleet.core.steps.common import Answer, expired, has_our_marks, hold_backoff, request_uncordon
from fleet.core.steps.reboot import newly_failed


def uncordon(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    """The node goes back into service: upgraded and proven, or never rebooted by a run that failed or was aborted."""
    if not has_our_marks(node, rollout):
        return StepResult.CANCELLED if run.cancelled else StepResult.DONE, {}
    request_uncordon(agenda, rollout, run, node, now)
    return None


def soak(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    """How it ends is noted with the versions of etcd that the node's voters run by then."""
    answer = _soak(agenda, rollout, run, node, now)
    etcd = quorum_work.etcd_versions(agenda, run) if answer is not None else {}
    return (answer[0], {**answer[1], "etcd_after": etcd}) if answer is not None and etcd else answer


def _soak(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    if failed := newly_failed(rollout, run, node, agenda.machine(run.node)):
        return StepResult.FAILED, {"why": failed}
    seconds = quorum_work.soak_seconds(agenda, rollout, run)
    why = quorum_work.why_not_recovered(agenda, rollout, run) or _newcomers(agenda, run, node)
    if node.ready is not True or why:
        agenda.not_ready.add(run.node)
        if expired(agenda, rollout, run, seconds + rollout.pool(run).reboot.timeout_seconds, now):
            return StepResult.FAILED, {"why": why or node.why_unready or "it did not stay Ready"}
        not_yet = Held(Reason.NOT_VERIFIED, node.name, {"why": why})
        agenda.hold(run.node, nodes.not_ready(node) if node.ready is not True else not_yet)
        agenda.recheck(run.node, now)
        return None
    if run.node in agenda.not_ready:
        agenda.not_ready.discard(run.node)
        agenda.healthy_since[run.node] = now
    since = agenda.healthy_since.get(run.node, run.since or now)
    end = since + timedelta(seconds=seconds)
    if quorum_work.defragment(agenda, rollout, run, node, now):
        return None
    if now >= end:
        agenda.healthy_since.pop(run.node, None)
        return StepResult.DONE, {}
    agenda.hold(run.node)
    agenda.wake_at(run.node, end)
    return None


def _newcomers(agenda: EngineState, run: Run, node: Node) -> str:
    """Labels may change only after the proof, and then DaemonSets come that nobody could have waited for."""
    away = daemonsets.newcomers_not_ready(run, node, agenda.view(run.node.cluster))
    return f"DaemonSet pods are not Ready: {verification.listed(away)}" if away else ""


def clean_up(agenda: EngineState, rollout: Rollout, run: Run, now: datetime) -> bool:
    """Takes away what is ours on the node of an ended run; True when nothing is left.

    A failed run that keeps its slot keeps its cordon too, until a person releases it. What was asked a moment ago may
    be there and not be seen yet.
    """
    view = agenda.view(run.node.cluster)
    if run.node not in rollout.acted:
        return True
    if not view.synced:
        return False
    node = view.nodes.get(run.node.name)
    if node is None or node.uid != run.goal.uid:
        return True
    if run.slot and node.cordoned_by == rollout.id:
        return True
    if has_our_marks(node, rollout):
        if node.cordoned_by == rollout.id:
            request_uncordon(agenda, rollout, run, node, now)
            return False
        hold_backoff(agenda, run, "unmark")
        if agenda.may_issue(run.node, "unmark", now):
            ident = agenda.next_id(rollout)
            agenda.issue(rollout, Unmark(id=ident, rollout=rollout.id, node=run.node, uid=node.uid))
        return False
    machine = view.machines.get(run.node.name)
    if machine is not None and _unfinished(machine, rollout):
        hold_backoff(agenda, run, "clear")
        if agenda.may_issue(run.node, "clear", now):
            ident = agenda.next_id(rollout)
            agenda.issue(rollout, CancelRequest(id=ident, rollout=rollout.id, node=run.node, uid=node.uid))
        return False
    if any(held.reason is Reason.BACKOFF for held in agenda.held.get(run.node, ())):
        agenda.hold(run.node)
    unsure = [kind for kind in ("mark", "stage", "cordon") if not agenda.may_issue(run.node, kind, now)]
    return not unsure


def _unfinished(machine: Machine, rollout: Rollout) -> bool:
    """A request of this rollout still stands that the machine might act upon."""
    request = machine.request
    if request is None or not request.token.startswith(f"{rollout.id}/"):
        return False
    answer = machine.answer(request.token)
    return answer is None or answer.state == "working"
