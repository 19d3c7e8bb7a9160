"""Out of service: cordoned, its pods evicted as their budgets let them, and asked once more what a reboot presumes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fleet.core.guards import capacity, gates, kubelet_skew, third_parties, volumes
from fleet.core.objects import identity
from fleet.core.objects.node import Node
from fleet.core.records.held import Held, Reason
from fleet.core.releases.release import is_release
from fleet.core.rollout.rollout import Rollout, Run
from fleet.core.rollout.steps import StepResult
from fleet.core.state.agenda import EngineState
from fleet.core.steps import daemonsets, quorum_work
from fleet.core.steps.common import (
    Answer,
    cordoned_by_us,
    expired,
    hold_backoff,
    refusal_suffix,
    request_cordon,
)
from fleet.core.steps.drain_wave import overdue, wave_of
from fleet.core.steps.evict import ComesBackError, evict, unfinished
from fleet.core.third_parties.parties import Does

SETTLE = timedelta(seconds=2)
"""A pod bound just before the cordon may be seen after it: watches of different kinds have no common order."""
MOST_NAMED = 5
"""Pods that the end of a drain names."""
CORDON_ATTEMPTS = 4
"""A server's error may pass; a right that is missing does not."""


def cordon(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    if cordoned_by_us(node, rollout):
        return StepResult.DONE, {}
    if node.foreign_cordon:
        return StepResult.BACK, {}
    if held := gates.paused(rollout):
        agenda.hold(run.node, held)
        return None
    notices = agenda.view(run.node.cluster).notices(node.name)
    if held := third_parties.held(node.name, notices, now):
        # A cordon that was asked for may still come: the run waits where it would be found.
        return _stand_back(agenda, rollout, run, held, now)
    waits = quorum_work.take_snapshot(agenda, rollout, run, node, now)
    if isinstance(waits, str):
        return StepResult.FAILED, {"why": waits}
    if waits is not None:
        agenda.hold(run.node, waits)
        return None
    if agenda.failures(run.node, "cordon") >= CORDON_ATTEMPTS:
        return StepResult.FAILED, {"why": f"cordon refused: {agenda.last_failure(run.node, 'cordon')}"}
    return _until_cordoned(agenda, rollout, run, node, now)


def _until_cordoned(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    """Asks for the cordon until the node shows it. Where another takes it off each time, that ends as a drain does."""
    timeout = rollout.pool(run).drain.timeout_seconds
    if expired(agenda, rollout, run, timeout, now, agenda.requested_since(run.node, "cordon", now)):
        return StepResult.FAILED, {
            "why": f"it was not cordoned within {timeout} s{refusal_suffix(agenda, run, 'cordon')}"
        }
    hold_backoff(agenda, run, "cordon")
    request_cordon(agenda, rollout, run, node, now)
    return None


def drain(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    if held := gates.paused(rollout):
        agenda.hold(run.node, held)
        return None
    view = agenda.view(run.node.cluster)
    if held := third_parties.held(node.name, view.notices(node.name), now):
        return _stand_back(agenda, rollout, run, held, now)
    left = view.to_drain(node.name)
    part = wave_of(agenda, run, left) if left else None
    if part is not None:
        late, seconds = overdue(agenda, rollout, run, part, now)
        if late:
            names = "; ".join(sorted(unfinished(agenda, rollout, run, pod) for pod in late)[:MOST_NAMED])
            return StepResult.FAILED, {"why": f"not drained within {seconds} s: {names}"}
    if not cordoned_by_us(node, rollout):
        return _until_cordoned(agenda, rollout, run, node, now)
    agenda.request_fulfilled(run.node, "cordon")
    agenda.begin_drain(run.node, left)
    try:
        pods = part.pods if part is not None else ()
        last = capacity.last(node.name, view, [pod for pod, _ in pods])
        going = (pod for pod, _ in pods if pod.uid not in last)
        waits = [held for pod in going if (held := evict(agenda, rollout, run, pod, now))]
    except ComesBackError as why:
        return StepResult.FAILED, {"why": str(why)}
    agenda.hold(run.node, *waits)
    if waits:
        agenda.recheck(run.node, now)
    if left or agenda.in_flight((run.node, "cordon", "")):
        return None
    return _ready_to_reboot(agenda, rollout, run, node, now)


def _stand_back(agenda: EngineState, rollout: Rollout, run: Run, held: Held, now: datetime) -> Answer:
    """Another party deletes the node: it is given back at once. Or works on it: no pod is evicted meanwhile, and after
    the drain's time the node is given back. Nothing has failed."""
    if held.params["does"] == Does.DELETES:
        return StepResult.CANCELLED, {"why": held.message}
    timeout = rollout.pool(run).drain.timeout_seconds
    if expired(agenda, rollout, run, timeout, now):
        return StepResult.CANCELLED, {"why": f"could not go within {timeout} s: {held.message}"}
    agenda.hold(run.node, held)
    agenda.recheck(run.node, now)
    return None


def _ready_to_reboot(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    """Drained. Asks once more what a reboot presumes."""
    if run.since is not None and now < run.since + SETTLE:
        agenda.wake_at(run.node, run.since + SETTLE)
        return None
    machine = agenda.machine(run.node)
    if machine is not None and is_release(machine.booted, run.release):
        return StepResult.FAILED, {"why": f"{run.release.version} is booted already, and not by this run"}
    if machine is None or not is_release(machine.staged, run.release):
        return StepResult.FAILED, {"why": "the staged release is no longer there"}
    view = agenda.view(run.node.cluster)
    waits = (
        _without_boot_id(node)
        or kubelet_skew.held(view.name, run.release, view.servers)
        or volumes.held(node.name, view, rollout.pool(run).drain)
        or quorum_work.blocked_by_quorum(agenda, rollout, run, now)
        or quorum_work.move_leader(agenda, rollout, run, node, now)
    )
    if isinstance(waits, str):
        return StepResult.FAILED, {"why": waits}
    if waits is not None:
        timeout = rollout.pool(run).drain.timeout_seconds
        since = agenda.empty_since(run.node, run.since or now, now)
        if expired(agenda, rollout, run, timeout, now, since):
            return StepResult.FAILED, {"why": f"could not go within {timeout} s: {waits.message}"}
        agenda.hold(run.node, waits)
        agenda.recheck(run.node, now)
        return None
    known = identity.remembered(node, machine)
    etcd = quorum_work.etcd_versions(agenda, run)
    told = {"etcd": etcd} if etcd else {}
    return StepResult.DONE, {"boot_id": node.boot_id, **_daemons(agenda, node, run), **known, **told}


def _without_boot_id(node: Node) -> Held | None:
    """A boot that cannot be told from the next one cannot be proven."""
    if node.boot_id:
        return None
    return Held(Reason.NOT_VERIFIED, node.name, {"why": "the node tells no boot id"})


def _daemons(agenda: EngineState, node: Node, run: Run) -> dict[str, Any]:
    """What the proof compares with, should the node come back with other labels."""
    view = agenda.view(run.node.cluster)
    found, labels = daemonsets.ready(node.name, view), daemonsets.labels(node, view)
    return ({"daemons": list(found)} if found else {}) | ({"labels": labels} if labels else {})
