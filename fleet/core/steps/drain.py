"""Out of service: cordoned, its pods evicted as their budgets let them, and asked once more what a reboot presumes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fleet.core.guards import capacity, gates, others, skew, volumes
from fleet.core.objects import identity
from fleet.core.objects.node import Node
from fleet.core.records.held import Held, Reason
from fleet.core.releases.release import is_release
from fleet.core.rollout.rollout import Rollout, Run
from fleet.core.rollout.steps import Turn
from fleet.core.state.agenda import Agenda
from fleet.core.steps import daemons, quorum_work
from fleet.core.steps.common import Answer, and_why, ask_cordon, expired, hold_refused, ours
from fleet.core.steps.evict import ComesBack, evict, unfinished
from fleet.core.steps.part import overdue, part_of
from fleet.core.third_parties.parties import Does

SETTLE = timedelta(seconds=2)
"""A pod bound just before the cordon may be seen after it: watches of different kinds have no common order."""
MOST_NAMED = 5
"""Pods that the end of a drain names."""
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
    notices = agenda.view(run.node.cluster).notices(node.name)
    if held := others.held(node.name, notices, now):
        # A cordon that was asked for may still come: the run waits where it would be found.
        return _stand_back(agenda, rollout, run, held, now)
    waits = quorum_work.save(agenda, rollout, run, node, now)
    if isinstance(waits, str):
        return Turn.FAILED, {"why": waits}
    if waits is not None:
        agenda.hold(run.node, waits)
        return None
    if agenda.refusals(run.node, "cordon") >= CORDON_ATTEMPTS:
        return Turn.FAILED, {"why": f"cordon refused: {agenda.refusal(run.node, 'cordon')}"}
    return _until_cordoned(agenda, rollout, run, node, now)


def _until_cordoned(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    """Asks for the cordon until the node shows it. Where another takes it off each time, that ends as a drain does."""
    timeout = rollout.pool(run).drain.timeout_seconds
    if expired(agenda, rollout, run, timeout, now, agenda.asked_since(run.node, "cordon", now)):
        return Turn.FAILED, {"why": f"it was not cordoned within {timeout} s{and_why(agenda, run, 'cordon')}"}
    hold_refused(agenda, run, "cordon")
    ask_cordon(agenda, rollout, run, node, now)
    return None


def drain(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    if held := gates.paused(rollout):
        agenda.hold(run.node, held)
        return None
    view = agenda.view(run.node.cluster)
    if held := others.held(node.name, view.notices(node.name), now):
        return _stand_back(agenda, rollout, run, held, now)
    left = view.to_drain(node.name)
    part = part_of(agenda, run, left) if left else None
    if part is not None:
        late, seconds = overdue(agenda, rollout, run, part, now)
        if late:
            names = "; ".join(sorted(unfinished(agenda, rollout, run, pod) for pod in late)[:MOST_NAMED])
            return Turn.FAILED, {"why": f"not drained within {seconds} s: {names}"}
    if not ours(node, rollout):
        return _until_cordoned(agenda, rollout, run, node, now)
    agenda.came(run.node, "cordon")
    agenda.begin_drain(run.node, left)
    try:
        pods = part.pods if part is not None else ()
        last = capacity.last(node.name, view, [pod for pod, _ in pods])
        going = (pod for pod, _ in pods if pod.uid not in last)
        waits = [held for pod in going if (held := evict(agenda, rollout, run, pod, now))]
    except ComesBack as why:
        return Turn.FAILED, {"why": str(why)}
    agenda.hold(run.node, *waits)
    if waits:
        agenda.look_again(run.node, now)
    if left or agenda.in_flight((run.node, "cordon", "")):
        return None
    return _ready_to_reboot(agenda, rollout, run, node, now)


def _stand_back(agenda: Agenda, rollout: Rollout, run: Run, held: Held, now: datetime) -> Answer:
    """Another party deletes the node: it is given back at once. Or works on it: no pod is evicted meanwhile, and after
    the drain's time the node is given back. Nothing has failed."""
    if held.params["does"] == Does.DELETES:
        return Turn.CANCELLED, {"why": held.message}
    timeout = rollout.pool(run).drain.timeout_seconds
    if expired(agenda, rollout, run, timeout, now):
        return Turn.CANCELLED, {"why": f"could not go within {timeout} s: {held.message}"}
    agenda.hold(run.node, held)
    agenda.look_again(run.node, now)
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
    view = agenda.view(run.node.cluster)
    waits = (
        _without_boot_id(node)
        or skew.held(view.name, run.release, view.servers)
        or volumes.held(node.name, view, rollout.pool(run).drain)
        or quorum_work.spare(agenda, rollout, run, now)
        or quorum_work.hand_over(agenda, rollout, run, node, now)
    )
    if isinstance(waits, str):
        return Turn.FAILED, {"why": waits}
    if waits is not None:
        timeout = rollout.pool(run).drain.timeout_seconds
        since = agenda.emptied_since(run.node, run.since or now, now)
        if expired(agenda, rollout, run, timeout, now, since):
            return Turn.FAILED, {"why": f"could not go within {timeout} s: {waits.message}"}
        agenda.hold(run.node, waits)
        agenda.look_again(run.node, now)
        return None
    known = identity.remembered(node, machine)
    etcd = quorum_work.versions(agenda, run)
    told = {"etcd": etcd} if etcd else {}
    return Turn.DONE, {"boot_id": node.boot_id, **_daemons(agenda, node, run), **known, **told}


def _without_boot_id(node: Node) -> Held | None:
    """A boot that cannot be told from the next one cannot be proven."""
    if node.boot_id:
        return None
    return Held(Reason.NOT_VERIFIED, node.name, {"why": "the node tells no boot id"})


def _daemons(agenda: Agenda, node: Node, run: Run) -> dict[str, Any]:
    """What the proof compares with, should the node come back with other labels."""
    view = agenda.view(run.node.cluster)
    found, labels = daemons.ready(node.name, view), daemons.labels(node, view)
    return ({"daemons": list(found)} if found else {}) | ({"labels": labels} if labels else {})
