"""Rollouts: found by name, started, and told what people want of them. A command is a record in the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from fleet.app.wiring.actor import actor
from fleet.app.wiring.home import Home
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.guards import gates
from fleet.core.objects.node import NodeRef
from fleet.core.planning.plan import Plan, short_id
from fleet.core.records.errors import HeldError, JournalMovedError, UsageError
from fleet.core.records.journal import JournalRecord
from fleet.core.releases.release import is_release
from fleet.core.rollout.rollout import Rollout, RolloutState, Run, Start
from fleet.core.rollout.steps import Step

if TYPE_CHECKING:
    from fleet.store import Store

SHOWN = 5
"""Changes that a refusal of a stale plan names."""


class Rollouts:
    """All there ever were, by id, oldest first, as the journal tells them."""

    def __init__(self, rollouts: Mapping[str, Rollout]) -> None:
        self.by_id = dict(rollouts)

    @classmethod
    def load(cls, store: Store) -> Rollouts:
        from fleet.drivers.journal.checkpoints import standing

        return cls(standing(store.journal, store.folds).rollouts)

    @property
    def all(self) -> list[Rollout]:
        return list(self.by_id.values())

    @property
    def active(self) -> list[Rollout]:
        return [rollout for rollout in self.all if rollout.active]

    @property
    def next_id(self) -> str:
        numbers = [int(ident[2:]) for ident in self.by_id if ident.startswith("r-") and ident[2:].isdigit()]
        return f"r-{max(numbers, default=0) + 1}"

    def named(self, ident: str) -> Rollout:
        """Raises UsageError with the nearest name."""
        if ident in self.by_id:
            return self.by_id[ident]
        near = get_close_matches(ident, self.by_id, 1)
        raise UsageError(
            f"there is no rollout {ident}", f"{near[0]} is one" if near else "fleet rollout list"
        )

    def choose(self, ident: str = "") -> Rollout:
        """The named one; without a name the one that is active. Raises UsageError where that is not exactly one."""
        if ident:
            return self.named(ident)
        if len(self.active) == 1:
            return self.active[0]
        if not self.active:
            raise UsageError("no rollout is active", "name one of fleet rollout list")
        names = ", ".join(rollout.id for rollout in self.active)
        raise UsageError(f"{len(self.active)} rollouts are active: {names}", "name one of them")

    def last(self, ident: str = "") -> Rollout:
        """The named one; without a name the active one, else the newest. For those who only look."""
        if not ident and not self.by_id:
            raise UsageError(
                "there is no rollout yet",
                "fleet plan --pool POOL --to VERSION, then fleet rollout start PLAN",
            )
        if ident or len(self.active) > 1:
            return self.choose(ident)
        return self.active[0] if self.active else max(self.all, key=lambda each: each.started_at)

    def failed_run(self, name: str) -> tuple[Rollout, Run]:
        """The failed run that keeps its slot on that node. Raises UsageError where there is none, or more than one."""
        found = [
            (rollout, run)
            for rollout in self.all
            for run in rollout.runs.values()
            if run.step is Step.FAILED and run.slot and name in (run.node.name, str(run.node))
        ]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(str(run.node) for _, run in found)
            raise UsageError(f"{name} is ambiguous: {names}", "name the cluster too: CLUSTER/NODE")
        raise UsageError(f"no failed run of {name} keeps a slot", "fleet explain NODE says what became of it")


class RolloutSummary(Struct, frozen=True):
    """One rollout in a list."""

    rollout: str
    plan: str
    pools: tuple[str, ...]
    clusters: tuple[str, ...]
    version: str
    state: str
    why: str
    by: str
    started_at: datetime
    ended_at: datetime | None
    nodes: int
    done: int
    failed: int
    cancelled: int
    eta_seconds: int | None = None


def summary_of(rollout: Rollout, eta: int | None = None) -> RolloutSummary:
    return RolloutSummary(
        rollout=rollout.id,
        plan=rollout.start.plan,
        pools=tuple(dict.fromkeys(run.goal.pool for run in rollout.runs.values())),
        clusters=tuple(dict.fromkeys(ref.cluster for ref in rollout.runs)),
        version=rollout.release.version,
        state=str(rollout.state),
        why=rollout.why,
        by=rollout.by,
        started_at=rollout.started_at,
        ended_at=rollout.ended_at,
        nodes=len(rollout.runs),
        done=rollout.counts[Step.DONE],
        failed=rollout.counts[Step.FAILED],
        cancelled=rollout.counts[Step.CANCELLED],
        eta_seconds=eta,
    )


class Started(Struct, frozen=True):
    rollout: str
    notes: tuple[str, ...] = ()
    """What a person should know of before it goes on."""


def start(home: Home, plan: Plan, fresh: Callable[[Sequence[str]], Sequence[Snapshot]]) -> Started:
    """Commits the start of a rollout of the plan; a controller picks it up.

    `fresh` looks at those clusters once more and leaves out which do not answer. Raises HeldError where a pool has a
    rollout already, or the clusters are no longer as the plan presumes; ConfigError for a policy with mistakes.
    """
    store = home.store
    begin = plan.begin()
    if not begin.goals:
        raise HeldError(f"plan {short_id(plan.plan_id)} has nothing to do", "fleet status")
    ensure_pools_free(Rollouts.load(store).active, plan)
    other = home.policy() != plan.policy
    snapshots = fresh(plan.clusters)
    changed = changed_nodes(plan, snapshots)
    if changed:
        more = [f"and {len(changed) - SHOWN} more"] if len(changed) > SHOWN else []
        again = f"fleet rollout rollback {plan.rolls_back} --to {plan.target.version}"
        if not plan.rolls_back:
            again = f"fleet plan --pool {' --pool '.join(plan.pools)} --to {plan.target.version}"
        raise HeldError(
            "\n  ".join([f"plan {short_id(plan.plan_id)} is stale:", *changed[:SHOWN], *more]),
            f"a new plan: {again}",
        )
    # Before the start: a plan that somebody has started is there for as long as the rollout is told of.
    store.plans.keep(plan.plan_id)
    ident = _commit(home, plan, begin)
    new = added_nodes(plan, snapshots)
    notes = [f"{len(new)} nodes have joined the pool since the plan: {', '.join(new[:SHOWN])}"] if new else []
    if other:
        notes.append(
            f"{home.policy_file} is not the policy of the plan, by which this rollout goes: no later freeze or window "
            "holds it; a new plan goes by the file"
        )
    return Started(ident, tuple(notes))


def _commit(home: Home, plan: Plan, begin: Start) -> str:
    """Writes the start under the next free id. Of two starts at the same moment one sees the other's."""
    journal = home.store.journal
    while True:
        newest = journal.last()
        rollouts = Rollouts.load(home.store)
        ensure_pools_free(rollouts.active, plan)
        ident = rollouts.next_id
        record = JournalRecord(form="command", kind="start", rollout=ident, detail=msgspec.to_builtins(begin))
        seen = newest.seq if newest is not None else 0
        try:
            journal.append([record], at=home.now(), actor=actor(), last=seen)
        except JournalMovedError:
            continue
        return ident


def ensure_pools_free(active: Iterable[Rollout], plan: Plan) -> None:
    """Raises HeldError naming the rollout that has one of the plan's pools."""
    for rollout in active:
        pools = {run.goal.pool for run in rollout.runs.values()}
        for pool in plan.pools:
            if pool in pools:
                raise HeldError(
                    f"pool {pool} is in rollout {rollout.id} ({rollout.state}), started by {rollout.by}",
                    f"wait for it, or: fleet rollout abort {rollout.id}",
                )


def changed_nodes(plan: Plan, snapshots: Iterable[Snapshot]) -> list[str]:
    """What of the plan's nodes is no longer as it presumes, in words, in the order of their names."""
    found: list[str] = []
    for snapshot in snapshots:
        nodes = {node.name: node for node in snapshot.nodes}
        machines = {machine.name: machine for machine in snapshot.machines}
        for key, presumed in sorted(plan.fingerprint.items()):
            ref = NodeRef.parse(key)
            if ref.cluster != snapshot.cluster:
                continue
            uid, _, version = presumed.partition(" ")
            node, machine = nodes.get(ref.name), machines.get(ref.name)
            booted = plan.policy.version_of(machine.booted if machine is not None else None)
            if node is None:
                found.append(f"{key} is gone")
            elif not node.uid:
                found.append(f"{key} is not reached: {node.why_unready or 'nobody has seen it yet'}")
            elif node.uid != uid:
                found.append(f"{key} is another machine under the same name")
            elif booted != version:
                found.append(f"{key} runs {booted or 'nothing known'} now, not {version or 'nothing known'}")
    return found


def added_nodes(plan: Plan, snapshots: Iterable[Snapshot]) -> list[str]:
    """Nodes of the plan's pools that it does not know and that do not run its release. A rollback is about some only."""
    found: list[str] = []
    if plan.rolls_back:
        return found
    for snapshot in snapshots:
        machines = {machine.name: machine for machine in snapshot.machines}
        for node in snapshot.nodes:
            pool = plan.policy.pool_of(snapshot.cluster, node)
            machine = machines.get(node.name)
            booted = machine.booted if machine is not None else None
            ref = str(NodeRef(snapshot.cluster, node.name))
            wanted = pool is not None and pool.name in plan.pools and not is_release(booted, plan.target)
            if wanted and ref not in plan.fingerprint:
                found.append(ref)
    return found


def send_command(home: Home, kind: str, ident: str = "") -> Rollout:
    """pause, resume or abort, as a command in the journal. Raises UsageError where it makes no sense now."""
    rollout = Rollouts.load(home.store).choose(ident)
    validate_command(rollout, kind)
    record = JournalRecord(form="command", kind=kind, rollout=rollout.id)
    home.store.journal.append([record], at=home.now(), actor=actor())
    return rollout


def validate_command(rollout: Rollout, kind: str) -> None:
    """Raises UsageError in words, before anything is written."""
    if not rollout.active:
        raise UsageError(f"rollout {rollout.id} has ended: {rollout.state}", "fleet rollout list")
    if rollout.state is RolloutState.ABORTED:
        raise UsageError(
            f"rollout {rollout.id} was aborted by {rollout.state_by}: what has begun ends, and it cannot go on",
            "a new plan takes up the rest",
        )
    if kind == "resume" and rollout.state is RolloutState.RUNNING:
        raise UsageError(f"rollout {rollout.id} is running")
    if kind == "pause" and rollout.state is RolloutState.PAUSED:
        raise UsageError(f"rollout {rollout.id} is paused already, by {rollout.state_by}")
    if kind == "pause" and rollout.state is RolloutState.HALTED:
        raise UsageError(
            f"rollout {rollout.id} is halted: {rollout.why}", f"fleet rollout resume {rollout.id}"
        )


def what_follows(rollout: Rollout) -> tuple[str, ...]:
    """What a rollout does after a person's `resume` or `release`, or the word that it still needs, with the command.

    Empty where it simply goes on.
    """
    if not rollout.active or rollout.state is RolloutState.ABORTED:
        return ()
    kept = [
        ref for ref in rollout.canaries if rollout.runs[ref].step is Step.FAILED and rollout.runs[ref].slot
    ]
    notes = [
        f"The rest waits: canary {ref} failed and nobody has released it.\n  -> fleet rollout release {ref}"
        for ref in kept
    ]
    if rollout.state in (RolloutState.HALTED, RolloutState.PAUSED):
        notes.append(f"  -> fleet rollout resume {rollout.id} goes on with the others")
    if not kept and any(gates.lack(rollout, pool) and rollout.open_in[pool] for pool in rollout.required):
        notes.insert(0, "The next best node that is able to go becomes the canary.")
    return tuple(notes)


def release(home: Home, name: str, reason: str = "") -> tuple[Rollout, NodeRef]:
    """A person has looked at the failed node: its slot becomes free, what is ours on it is taken away, and a release
    that it rolled back from may be tried there again."""
    rollout, run = Rollouts.load(home.store).failed_run(name)
    detail = {"reason": reason} if reason else {}
    record = JournalRecord(
        form="command", kind="release", rollout=rollout.id, node=str(run.node), detail=detail
    )
    home.store.journal.append([record], at=home.now(), actor=actor())
    return rollout, run.node
