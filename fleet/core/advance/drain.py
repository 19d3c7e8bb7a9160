"""Out of service: cordoned, its pods evicted as their budgets let them, and asked once more what a reboot presumes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fleet.core import identity, proof, voting
from fleet.core.action import Evict
from fleet.core.advance.asking import LOOK_AGAIN, Answer, ask_cordon, expired, ours
from fleet.core.agenda import Agenda
from fleet.core.guards import budgets, capacity, gates, pods, skew
from fleet.core.held import Held, Reason
from fleet.core.node import Node
from fleet.core.pod import Pod
from fleet.core.release import is_release
from fleet.core.rollout import Rollout, Run
from fleet.core.steps import Turn

SETTLE = timedelta(seconds=2)
"""A pod bound just before the cordon may be seen after it: watches of different kinds have no common order."""
CORDON_ATTEMPTS = 4
"""A server's error may pass; a right that is missing does not."""


def cordon(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    if ours(node, rollout):
        return Turn.DONE, {}
    if node.foreign_cordon:
        return Turn.BACK, {}
    if held := gates.paused(rollout):
        agenda.hold(run.node, held)
        return None
    waits = voting.save(agenda, rollout, run, node, now)
    if isinstance(waits, str):
        return Turn.FAILED, {"why": waits}
    if waits is not None:
        agenda.hold(run.node, waits)
        return None
    if refusal := agenda.refusal(run.node, "cordon"):
        agenda.hold(run.node, Held(Reason.BACKOFF, node.name, {"what": "cordon", "why": refusal}))
    if agenda.refusals(run.node, "cordon") >= CORDON_ATTEMPTS:
        return Turn.FAILED, {"why": f"cordon refused: {agenda.refusal(run.node, 'cordon')}"}
    ask_cordon(agenda, rollout, run, node, now)
    return None


def drain(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    rule = rollout.pool(run).drain
    view = agenda.view(run.node.cluster)
    if held := gates.paused(rollout):
        agenda.hold(run.node, held)
        return None
    left = view.to_drain(node.name)
    if left and expired(agenda, rollout, run, rule.timeout_seconds, now):
        names = ", ".join(sorted(str(pod.ref) for pod in left)[:5])
        return Turn.FAILED, {"why": f"not drained within {rule.timeout_seconds} s: {names}"}
    if not ours(node, rollout):
        ask_cordon(agenda, rollout, run, node, now)
        return None
    last = capacity.last(node.name, view, left)
    going = [pod for pod in left if pod.uid not in last]
    waits = [held for pod in going if (held := _evict(agenda, rollout, run, pod, now))]
    agenda.hold(run.node, *waits)
    if waits:
        agenda.wake_at(run.node, now + LOOK_AGAIN)
    if left or agenda.in_flight((run.node, "cordon", "")):
        return None
    return _ready_to_reboot(agenda, rollout, run, node, now)


def _evict(agenda: Agenda, rollout: Rollout, run: Run, pod: Pod, now: datetime) -> Held | None:
    """Evicts the pod, or says what it waits for."""
    view = agenda.view(run.node.cluster)
    if pod.deleting:
        names = pods.finalizers(pod)
        why = f", finalizer {names}" if names else ""
        return Held(Reason.TERMINATING, str(pod.ref), {"why": why})
    if agenda.in_flight((run.node, "evict", pod.uid)):
        return None
    refs = view.refs_of(pod)
    rule = rollout.pool(run).drain
    if held := pods.held(pod, refs, rule):
        return held
    taking = [ref for ref in refs if budgets.takes(pod, view.budgets[ref])]
    for ref in taking:
        if view.allowance(ref) < 1:
            return budgets.asked(view, ref, pod, 0, 1, now)
    if not agenda.may_ask(run.node, "evict", now, pod.uid):
        why = agenda.refusal(run.node, "evict", pod.uid) or "refused"
        return Held(Reason.BACKOFF, str(pod.ref), {"what": f"eviction of {pod.ref}", "why": why})
    for ref in taking:
        view.debit(ref, pod)
    agenda.emit(
        rollout,
        Evict(
            id=agenda.next_id(rollout),
            rollout=rollout.id,
            node=run.node,
            uid=run.goal.uid,
            pod=pod.ref,
            pod_uid=pod.uid,
            grace_seconds=rule.grace_seconds,
        ),
    )
    return None


def _ready_to_reboot(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    """Drained. Asks once more what a reboot presumes."""
    if run.since is not None and now < run.since + SETTLE:
        agenda.wake_at(run.node, run.since + SETTLE)
        return None
    machine = agenda.machine(run.node)
    if machine is not None and is_release(machine.booted, run.release):
        return Turn.FAILED, {"why": f"{run.release.version} is booted already, and not by this run"}
    if machine is None or not is_release(machine.staged, run.release):
        return Turn.FAILED, {"why": "the staged release is no longer there"}
    if not node.boot_id:
        agenda.hold(run.node, Held(Reason.NOT_VERIFIED, node.name, {"why": "the node tells no boot id"}))
        return None
    view = agenda.view(run.node.cluster)
    waits = (
        skew.held(view.name, run.release, view.servers)
        or voting.spare(agenda, rollout, run)
        or voting.hand_over(agenda, rollout, run, node, now)
    )
    if isinstance(waits, str):
        return Turn.FAILED, {"why": waits}
    if waits is not None:
        timeout = rollout.pool(run).drain.timeout_seconds
        if expired(agenda, rollout, run, timeout, now):
            return Turn.FAILED, {"why": f"could not go within {timeout} s: {waits.words}"}
        agenda.hold(run.node, waits)
        agenda.wake_at(run.node, now + LOOK_AGAIN)
        return None
    known = identity.remembered(node, machine)
    return Turn.DONE, {"boot_id": node.boot_id, **_daemons(agenda, run), **known}


def _daemons(agenda: Agenda, run: Run) -> dict[str, Any]:
    found = proof.daemons(run.node.name, agenda.view(run.node.cluster))
    return {"daemons": list(found)} if found else {}
