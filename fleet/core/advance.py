"""One function a step: how a run goes on. Each answers the turn it takes, or None while it waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from fleet.core import proof, voting
from fleet.core.action import Clear, Cordon, Evict, Reboot, Stage, Uncordon, Unmark
from fleet.core.agenda import Agenda
from fleet.core.guards import budgets, gates, nodes, pods, skew
from fleet.core.held import Held, Reason
from fleet.core.machine import Machine
from fleet.core.node import Node
from fleet.core.pod import Pod
from fleet.core.release import is_release
from fleet.core.rollout import Rollout, Run
from fleet.core.steps import Step, Turn

SETTLE = timedelta(seconds=2)
"""A pod bound just before the cordon may be seen after it: watches of different kinds have no common order."""
LOOK_AGAIN = timedelta(seconds=15)
"""A drain that waits for something looks again after this, should no event say that it is over."""
STAGE_ATTEMPTS = 3
CORDON_ATTEMPTS = 4
"""A server's error may pass; a right that is missing does not."""
STAGE_BACKOFF = timedelta(seconds=15)

Answer = tuple[Turn, dict[str, Any]] | None


def advance(agenda: Agenda, rollout: Rollout, run: Run, now: datetime) -> Answer:
    """The turn that this run takes now, with what the journal is to say of it."""
    view = agenda.view(run.node.cluster)
    if run.ended:
        tidy(agenda, rollout, run, now)
        return None
    if not view.synced:
        if view.why_lost:
            agenda.hold(run.node, Held(Reason.UNREACHABLE, view.name, {"why": view.why_lost}))
        return None
    node = view.nodes.get(run.node.name)
    if node is not None and nodes.unseen(node, run.goal.uid):
        # Nothing is done to it, nor judged.
        agenda.hold(run.node, nodes.not_ready(node))
        return None
    if node is None or node.uid != run.goal.uid:
        held = nodes.held(run.node.name, run.goal.uid, node, None, rollout.id)
        return Turn.CANCELLED if run.waiting else Turn.FAILED, {"why": held.words if held else ""}
    return STEPS[run.step](agenda, rollout, run, node, now)


def pending(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    machine = agenda.machine(run.node)
    if machine is not None and is_release(machine.booted, run.release):
        return Turn.DONE, {"why": f"{run.release.version} is booted already"}
    return None


def stage(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    rule = rollout.pool(run).stage
    machine = agenda.machine(run.node)
    # Booted already: by somebody else, or in a time that an older copy of the journal does not know.
    if machine is not None and any(
        is_release(each, run.release) for each in (machine.staged, machine.booted)
    ):
        return Turn.DONE, {}
    token = token_of(rollout, run)
    if not asked(machine, token) and (held := gates.paused(rollout)):
        agenda.hold(run.node, held)
        return None
    if expired(agenda, rollout, run, rule.timeout_seconds, now):
        return Turn.FAILED, {"why": f"the image was not written within {rule.timeout_seconds} s"}
    answer = machine.answer(token) if machine is not None else None
    if answer is not None and answer.state == "failed":
        if run.attempts + 1 >= STAGE_ATTEMPTS:
            return Turn.FAILED, {"why": f"staging failed: {answer.message}"}
        agenda.retry(rollout, run, answer.message, now)
        agenda.wake_at(run.node, now + STAGE_BACKOFF)
        return None
    if run.attempts and run.since is not None and now < run.since + STAGE_BACKOFF:
        agenda.wake_at(run.node, run.since + STAGE_BACKOFF)
        return None
    if asked(machine, token):
        agenda.hold(run.node, Held(Reason.STAGING, node.name, {"percent": answer.percent if answer else 0}))
    elif agenda.may_ask(run.node, "stage", now):
        ident = agenda.next_id(rollout)
        agenda.emit(
            rollout,
            Stage(
                id=ident, rollout=rollout.id, node=run.node, uid=node.uid, token=token, release=run.release
            ),
        )
    return None


def staged(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    """Waits for a slot: `Engine` gives it, and knows what holds it."""
    machine = agenda.machine(run.node)
    if machine is not None and is_release(machine.booted, run.release):
        return Turn.DONE, {"why": f"{run.release.version} was booted meanwhile, not by fleet"}
    return None


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
    _ask_cordon(agenda, rollout, run, node, now)
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
        _ask_cordon(agenda, rollout, run, node, now)
        return None
    waits = [held for pod in left if (held := _evict(agenda, rollout, run, pod, now))]
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
        why = ", it has finalizers" if pod.finalizers else ""
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
            return budgets.held(view.budgets[ref], 0, 1, view.workload_of(pod))
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
    return Turn.DONE, {"boot_id": node.boot_id, **_daemons(agenda, run)}


def _daemons(agenda: Agenda, run: Run) -> dict[str, Any]:
    found = proof.daemons(run.node.name, agenda.view(run.node.cluster))
    return {"daemons": list(found)} if found else {}


def reboot(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    if node.boot_id and node.boot_id != run.boot_id:
        return Turn.DONE, {}
    rule = rollout.pool(run).reboot
    machine = agenda.machine(run.node)
    token = token_of(rollout, run)
    answer = machine.answer(token) if machine is not None else None
    if answer is not None and answer.state == "failed":
        return Turn.FAILED, {"why": f"the machine could not reboot: {answer.message}"}
    underway = asked(machine, token)
    if not underway and (held := gates.paused(rollout)):
        agenda.hold(run.node, held)
        return None
    if expired(agenda, rollout, run, rule.timeout_seconds, now):
        return Turn.FAILED, {"why": f"it has not come back within {rule.timeout_seconds} s"}
    if underway or agenda.in_flight((run.node, "reboot", "")):
        return None
    view = agenda.view(run.node.cluster)
    if not ours(node, rollout) or view.to_drain(node.name):
        return Turn.BACK, {}
    if skew.held(view.name, run.release, view.servers):
        return Turn.BACK, {}
    if voting.spare(agenda, rollout, run) or voting.leads(agenda, rollout, run):
        return Turn.BACK, {}
    if agenda.may_ask(run.node, "reboot", now):
        agenda.emit(
            rollout,
            Reboot(
                id=agenda.next_id(rollout),
                rollout=rollout.id,
                node=run.node,
                uid=node.uid,
                token=token,
                release=run.release,
                boot_id=run.boot_id,
                quorums=voting.rules(agenda, rollout, run),
            ),
        )
    return None


def verify(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    machine = agenda.machine(run.node)
    missing = proof.missing(run, node, machine, agenda.view(run.node.cluster))
    if (
        proof.told(machine, node)
        and machine
        and machine.booted
        and not is_release(machine.booted, run.release)
    ):
        why = f"it booted {machine.booted.version} instead of {run.release.version}: rolled back"
        told = {"boot_id_after": node.boot_id, "rolled_back": machine.booted.version}
        answer = machine.answer(token_of(rollout, run, Step.REBOOT))
        if answer is not None and answer.log:
            told["log"] = answer.log
        return Turn.FAILED, {"why": why, **told}
    if failed := _newly_failed(rollout, run, node, machine):
        return Turn.FAILED, {"why": failed}
    if missing is None and machine is not None:
        return Turn.DONE, {"proof": proof.proof(run, node, machine)}
    timeout = rollout.pool(run).reboot.timeout_seconds
    if expired(agenda, rollout, run, timeout, now):
        return Turn.FAILED, {"why": f"not proven within {timeout} s: {missing}"}
    if proof.told(machine, node):
        agenda.wake_at(run.node, now + LOOK_AGAIN)
    agenda.hold(run.node, Held(Reason.NOT_VERIFIED, node.name, {"why": missing or "no report"}))
    return None


def _newly_failed(rollout: Rollout, run: Run, node: Node, machine: Machine | None) -> str:
    """Empty: nothing that was fine before the reboot has failed in this boot."""
    if machine is None or not proof.told(machine, node):
        return ""
    work = machine.answer(token_of(rollout, run, Step.REBOOT))
    failed = proof.newly_failed(work, machine)
    return proof.words(failed, work, node.name) if failed else ""


def uncordon(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    if not marked(node, rollout):
        return Turn.DONE, {}
    _ask_uncordon(agenda, rollout, run, node, now)
    return None


def soak(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    if failed := _newly_failed(rollout, run, node, agenda.machine(run.node)):
        return Turn.FAILED, {"why": failed}
    seconds = voting.soak_seconds(agenda, rollout, run)
    why = voting.not_back(agenda, rollout, run)
    if node.ready is not True or why:
        agenda.unready.add(run.node)
        if expired(agenda, rollout, run, seconds + rollout.pool(run).reboot.timeout_seconds, now):
            return Turn.FAILED, {"why": why or node.why_unready or "it did not stay Ready"}
        not_yet = Held(Reason.NOT_VERIFIED, node.name, {"why": why})
        agenda.hold(run.node, nodes.not_ready(node) if node.ready is not True else not_yet)
        return None
    if run.node in agenda.unready:
        agenda.unready.discard(run.node)
        agenda.healthy_since[run.node] = now
    since = agenda.healthy_since.get(run.node, run.since or now)
    end = since + timedelta(seconds=seconds)
    if voting.defragment(agenda, rollout, run, node, now):
        return None
    if now >= end:
        agenda.healthy_since.pop(run.node, None)
        return Turn.DONE, {}
    agenda.hold(run.node)
    agenda.wake_at(run.node, end)
    return None


def give_back(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    """A failed run has not rebooted the node: it goes back into service."""
    if not marked(node, rollout):
        return Turn.DONE, {}
    _ask_uncordon(agenda, rollout, run, node, now)
    return None


def tidy(agenda: Agenda, rollout: Rollout, run: Run, now: datetime) -> bool:
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
    if marked(node, rollout):
        if node.cordoned_by == rollout.id:
            _ask_uncordon(agenda, rollout, run, node, now)
        elif agenda.may_ask(run.node, "unmark", now):
            ident = agenda.next_id(rollout)
            agenda.emit(rollout, Unmark(id=ident, rollout=rollout.id, node=run.node, uid=node.uid))
        return False
    machine = view.machines.get(run.node.name)
    if machine is not None and _unfinished(machine, rollout):
        if agenda.may_ask(run.node, "clear", now):
            ident = agenda.next_id(rollout)
            agenda.emit(rollout, Clear(id=ident, rollout=rollout.id, node=run.node, uid=node.uid))
        return False
    unsure = [kind for kind in ("mark", "stage", "cordon") if not agenda.may_ask(run.node, kind, now)]
    return not unsure


def _unfinished(machine: Machine, rollout: Rollout) -> bool:
    """A request of this rollout still stands that the machine might act upon."""
    request = machine.request
    if request is None or not request.token.startswith(f"{rollout.id}/"):
        return False
    answer = machine.answer(request.token)
    return answer is None or answer.state == "working"


def token_of(rollout: Rollout, run: Run, step: Step | None = None) -> str:
    """Names one intent towards the machine: the same after a restart, another after a retry. `step`: other than its
    present one."""
    return f"{rollout.id}/{run.node.name}/{step or run.step}/{run.attempts}"


def asked(machine: Machine | None, token: str) -> bool:
    return machine is not None and machine.request is not None and machine.request.token == token


def ours(node: Node, rollout: Rollout) -> bool:
    return node.unschedulable and node.cordoned_by == rollout.id


def marked(node: Node, rollout: Rollout) -> bool:
    """Something of this rollout is on the node."""
    return node.cordoned_by == rollout.id or node.rollout == rollout.id


def expired(agenda: Agenda, rollout: Rollout, run: Run, seconds: int, now: datetime) -> bool:
    """The step has had its time, counted anew after nobody could look or a person had stopped it. Sets the timer
    otherwise."""
    synced = agenda.view(run.node.cluster).synced_at
    begins = [moment for moment in (run.since, synced, rollout.state_at) if moment is not None]
    end = max(begins, default=now) + timedelta(seconds=seconds)
    if now >= end:
        return True
    agenda.wake_at(run.node, end)
    return False


def _ask_cordon(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> None:
    if agenda.may_ask(run.node, "cordon", now):
        ident = agenda.next_id(rollout)
        agenda.emit(rollout, Cordon(id=ident, rollout=rollout.id, node=run.node, uid=node.uid))


def _ask_uncordon(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> None:
    if refusal := agenda.refusal(run.node, "uncordon"):
        agenda.hold(run.node, Held(Reason.BACKOFF, node.name, {"what": "uncordon", "why": refusal}))
    if agenda.may_ask(run.node, "uncordon", now):
        ident = agenda.next_id(rollout)
        agenda.emit(rollout, Uncordon(id=ident, rollout=rollout.id, node=run.node, uid=node.uid))


STEPS: Mapping[Step, Callable[[Agenda, Rollout, Run, Node, datetime], Answer]] = {
    Step.PENDING: pending,
    Step.STAGE: stage,
    Step.STAGED: staged,
    Step.CORDON: cordon,
    Step.DRAIN: drain,
    Step.REBOOT: reboot,
    Step.VERIFY: verify,
    Step.UNCORDON: uncordon,
    Step.SOAK: soak,
    Step.RETURN: give_back,
}
