"""The steps that take a node out of service: it is cordoned, and its pods are evicted as their budgets allow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from fleet.core.guards import gates
from fleet.core.guards.guards import Moment, held_at
from fleet.core.guards.pods import capacity
from fleet.core.guards.pods.budgets import BY_BUDGETS
from fleet.core.objects import identity
from fleet.core.policy.hooks.hook import HookMoment
from fleet.core.records.held import Held
from fleet.core.releases.release import is_release
from fleet.core.rollout.steps import StepResult
from fleet.core.steps import daemonsets, quorum_work, silences
from fleet.core.steps.context import StepContext, StepEnd, failed
from fleet.core.steps.eviction.drain_wave import overdue, wave_of
from fleet.core.steps.eviction.evict import ComesBackError, evict, unfinished
from fleet.core.steps.hooks import is_running, run_hooks
from fleet.core.third_parties.party import Does

SETTLE = timedelta(seconds=2)
"""A pod bound just before the cordon may be seen after it: watches of different kinds have no common order."""
MOST_NAMED = 5
"""The number of pods that the message of a failed drain names."""
PATIENCE = 600
"""The seconds for which a drained node waits for budgets that let none of its pods go; at most half of the drain's
timeout. A pod that is merely starting is Ready sooner."""
CORDON_ATTEMPTS = 4
"""The number of attempts after which the run fails: a server's error may pass, a missing permission does not."""


def cordon(context: StepContext) -> StepEnd | None:
    """Cordons the node, after the snapshots that its quorum groups require, and with its alerts silenced."""
    if context.cordoned_by_us:
        return _after_cordon(context)
    if is_running(context):
        return None
    if context.node.foreign_cordon:
        return StepEnd(StepResult.BACK)
    if held := gates.paused(context.rollout):
        context.hold(held)
        return None
    if held := held_at(Moment.DRAIN, context):
        # A cordon that was asked for may still come: the run waits where it would be found.
        return _wait_or_give_back(context, held)
    waits = quorum_work.take_snapshot(context)
    if isinstance(waits, str):
        return failed(waits)
    if waits is not None:
        context.hold(waits)
        return None
    if held := silences.silence(context):
        return _wait_or_give_back(context, held)
    actions, key = context.state.actions, context.key("cordon")
    if actions.failures(key) >= CORDON_ATTEMPTS:
        return failed(f"cordon refused: {actions.last_failure(key)}")
    return _until_cordoned(context)


def _after_cordon(context: StepContext) -> StepEnd | None:
    """Runs the hooks before the node, which is cordoned and has all of its pods."""
    if (held := gates.paused(context.rollout)) and not is_running(context):
        context.hold(held)
        return None
    waits = run_hooks(context, HookMoment.BEFORE_NODE)
    if isinstance(waits, str):
        return failed(waits)
    if waits is not None:
        context.hold(waits)
        return None
    return StepEnd(StepResult.DONE)


def _until_cordoned(context: StepContext) -> StepEnd | None:
    """Requests the cordon until the node shows it.

    If another party removes the cordon each time, the run fails after the drain's timeout.
    """
    timeout = context.rollout.pool(context.run).drain.timeout_seconds
    since = context.state.actions.requested_since(context.key("cordon"), context.now)
    if context.expired(timeout, since):
        return failed(f"it was not cordoned within {timeout} s{context.refusal_suffix('cordon')}")
    context.hold_backoff("cordon")
    context.request_cordon()
    return None


def drain(context: StepContext) -> StepEnd | None:
    """Evicts the pods of the node, and returns once none is left."""
    if held := gates.paused(context.rollout):
        context.hold(held)
        return None
    if held := held_at(Moment.DRAIN, context):
        return _wait_or_give_back(context, held)
    view = context.view
    left = view.to_drain(context.node.name)
    wave = wave_of(context, left) if left else None
    if wave is not None:
        overdue_pods, seconds = overdue(context, wave)
        if overdue_pods:
            names = "; ".join(sorted(unfinished(context, pod) for pod in overdue_pods)[:MOST_NAMED])
            return failed(f"not drained within {seconds} s: {names}")
    if not context.cordoned_by_us:
        return _until_cordoned(context)
    context.state.actions.fulfilled(context.key("cordon"))
    context.saw("cordon")
    context.state.drains.begin(context.ref, left)
    try:
        pods = wave.pods if wave is not None else ()
        last = capacity.last(context.node.name, view, [pod for pod, _ in pods])
        going = [(pod, treated) for pod, treated in pods if pod.uid not in last]
        waits = [held for pod, treated in going if (held := evict(context, pod, treated))]
    except ComesBackError as error:
        return failed(str(error))
    if going and len(waits) == len(going) and (why := _waited_in_vain(context, waits)):
        for pod, _ in going:
            for ref in view.budget_index.refs_of(pod):
                view.pending_evictions.give_up(ref)
        return StepEnd(StepResult.BACK, {"why": why})
    context.hold(*waits)
    if waits:
        context.recheck()
    if left or context.in_flight("cordon"):
        return None
    return _ready_to_reboot(context)


def _waited_in_vain(context: StepContext, waits: Sequence[Held]) -> str:
    """Returns why the node is given back although nothing has failed: no budget has let any of its pods go for too long.
    Empty: the node waits on.

    The run then waits for its slot again, so that a pod that does not become Ready keeps no node cordoned. `waits`: what
    each pod waits for.
    """
    pool = context.rollout.pool(context.run)
    if pool.has_hooks_before or any(held.reason not in BY_BUDGETS for held in waits):
        return ""
    patience = min(PATIENCE, pool.drain.timeout_seconds // 2)
    if not context.expired(patience, context.state.drains.latest_eviction(context.ref)):
        return ""
    return f"no pod could be evicted for {patience} s: {waits[0].message}"


def _wait_or_give_back(context: StepContext, held: Held) -> StepEnd | None:
    """Gives the node back: at once if another party deletes the node, otherwise after the drain's timeout.

    No pod is evicted meanwhile, and nothing has failed.
    """
    if held.params.get("does") == Does.DELETES:
        return StepEnd(StepResult.CANCELLED, {"why": held.message})
    timeout = context.rollout.pool(context.run).drain.timeout_seconds
    if context.expired(timeout):
        return StepEnd(StepResult.CANCELLED, {"why": f"could not go within {timeout} s: {held.message}"})
    context.hold(held)
    context.recheck()
    return None


def _ready_to_reboot(context: StepContext) -> StepEnd | None:
    """Checks the preconditions of a reboot once more on the drained node."""
    if context.run.since is not None and context.now < context.run.since + SETTLE:
        context.wake_at(context.run.since + SETTLE)
        return None
    machine = context.machine
    if machine is not None and is_release(machine.booted, context.run.release):
        return failed(f"{context.run.release.version} is booted already, and not by this run")
    if machine is not None and machine.reported and not is_release(machine.staged, context.run.release):
        return failed("the staged release is no longer there")
    waits = held_at(Moment.DRAINED, context) or quorum_work.move_leader(context)
    if isinstance(waits, str):
        return failed(waits)
    if waits is not None:
        timeout = context.rollout.pool(context.run).drain.timeout_seconds
        since = context.state.drains.empty_since(context.ref, context.run.since or context.now, context.now)
        if context.expired(timeout, since):
            return failed(f"could not go within {timeout} s: {waits.message}")
        context.hold(waits)
        context.recheck()
        return None
    recorded = identity.remembered(context.node, machine)
    etcd = quorum_work.etcd_versions(context)
    versions = {"etcd": etcd} if etcd else {}
    return StepEnd(
        StepResult.DONE, {"boot_id": context.node.boot_id, **_daemonsets(context), **recorded, **versions}
    )


def _daemonsets(context: StepContext) -> dict[str, Any]:
    """Returns the DaemonSets and labels that the proof after the reboot compares with."""
    view = context.view
    ready, labels = daemonsets.ready(context.node.name, view), daemonsets.labels(context.node, view)
    return ({"daemons": list(ready)} if ready else {}) | ({"labels": labels} if labels else {})
