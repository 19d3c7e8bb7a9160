"""Finds what keeps a waiting run from its slot. Asks every guard, the cheapest first, and returns each answer with the
key that opens when the answer may change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from fleet.core.cluster.view import ClusterView
from fleet.core.guards import architecture, budgets, capacity, kubelet_skew, nodes, quorum
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.policy import evictable
from fleet.core.policy.treatment import Treatment
from fleet.core.quorum.quorum import Quorum
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.state.gate_cache import GateCache, gate_key, group_of
from fleet.core.state.indexes.engine_index import EngineIndex
from fleet.core.state.wait_queue import WaitKey
from fleet.core.steps import quorum_work

Blocker = tuple[WaitKey, Held]


class Blockers:
    """Asks the guards whether a waiting run may take its slot."""

    def __init__(self, index: EngineIndex, gates: GateCache, foretells: bool = False) -> None:
        """Returns the groups of operators' pods on the node for which an eviction will be requested although no budget
        allows one."""
        self._index = index
        self._gates = gates
        self._foretells = foretells

    def asks(self, run: Run) -> tuple[str, ...]:
        """Returns the groups of operators' pods on the node to whose eviction request will be sent although no budget
        allows it."""
        view = self._index.state.view(run.node.cluster)
        return tuple(sorted({treated.group for _, treated in self._asked(view, run)}))

    def _asked(self, view: ClusterView, run: Run) -> list[tuple[Pod, Treatment]]:
        return [
            (pod, treated)
            for pod, treated, refs in view.drain_demand(run.node.name).requested_evictions(view.budgets)
            if any(
                view.budgets[ref].never_allows and view.pending_evictions.allowance(ref) < 1 for ref in refs
            )
        ]

    def first(self, rollout: Rollout, run: Run, now: datetime) -> Blocker | None:
        """Returns the first blocker, or None. The gates are those that this decision has already determined."""
        return next(self._all(rollout, run, self._gates.held(rollout, run, now), now), None)

    def all(self, rollout: Rollout, run: Run, now: datetime) -> Iterator[Blocker]:
        """Yields every blocker of the run, with gates that are determined again."""
        return self._all(rollout, run, self._gates.evaluate(rollout, run, now), now)

    def own(self, rollout: Rollout, run: Run, now: datetime) -> Iterator[Held]:
        """Yields what holds this run itself, whatever the gate of its group allows."""
        return (held for _, held in self._all(rollout, run, None, now))

    def _all(self, rollout: Rollout, run: Run, gate: Held | None, now: datetime) -> Iterator[Blocker]:
        ref = run.node
        view = self._index.state.view(ref.cluster)
        if not view.synced:
            yield WaitKey("node", ref), view.lost
            return
        # If no node can be the next canary, what holds this node is reported first: once that is resolved, this node
        # may be the canary.
        vacant = gate is not None and gate.reason is Reason.NO_CANARY
        if gate and not vacant:
            yield gate_key(rollout, run), gate
        node, machine = view.nodes.get(ref.name), view.machines.get(ref.name)
        if kept := self._index.runs.kept_by_other(ref, rollout):
            yield WaitKey("node", ref), kept
        notices = self._index.notices_for(ref, now)
        held = nodes.held(ref.name, run.goal.uid, node, machine, rollout.id, notices, now)
        # The cordon of a run that keeps its slot adds nothing to that reason.
        if held and not (kept and held.reason is Reason.OTHER_CORDON):
            yield WaitKey("node", ref), held
        if wrong := kubelet_skew.held(view.name, run.release, view.servers):
            yield WaitKey("node", ref), wrong
        if node is not None and (none := architecture.held(node, run.release)):
            yield WaitKey("node", ref), none
        if full := self._index.limits.held(ref):
            yield WaitKey("scope", full[0]), full[1]
        yield from self._of_quorums(rollout, run, now)
        yield from self._of_pods(rollout, run, now)
        if self._foretells:
            # Last, because everything else that holds the node is more important to the user.
            yield from self._of_time(rollout, run)
        if gate and vacant:
            yield gate_key(rollout, run), gate

    def _of_quorums(self, rollout: Rollout, run: Run, now: datetime) -> Iterator[Blocker]:
        quorums = self._index.state.quorums
        for group in quorums.of(run.node):
            rule = rollout.policy.quorum_rule(group)
            found = quorum.held(group, rule, run.node, quorums.away)
            found = found or quorum_work.blocked_by_data_format(self._index.state, rollout, run, group, now)
            if found is None:
                peers = [ref for ref in quorums.nodes(group.name) if self._may_precede(ref, run, group)]
                found = quorum.order(group, rule, run.node, peers)
            if found is not None:
                yield WaitKey("quorum", (group.name, run.node)), found

    def _may_precede(self, ref: NodeRef, run: Run, group: Quorum) -> bool:
        """Returns whether the other node waits too, and for nothing but its turn. Waiting for a node that is held by
        anything else would be pointless."""
        rollout = self._index.runs.rollout_of(ref)
        other = rollout.runs[ref] if rollout is not None else None
        if rollout is None or other is None or ref == run.node or not other.waiting:
            return False
        if rollout is not self._index.runs.rollout_of(run.node) or group_of(rollout, other) != group_of(
            rollout, run
        ):
            return False
        # The reasons of quorum groups that are recorded for the other node may be out of date, so the groups are asked
        # again.
        told = self._index.state.held.get(ref, ())
        if any(held.passed_over and held.spec.scope != "quorum group" for held in told):
            return False
        quorums = self._index.state.quorums
        for each in quorums.of(ref):
            found = quorum.held(each, rollout.policy.quorum_rule(each), ref, quorums.away)
            if found is not None and (each.name == group.name or found.needs_action):
                return False
        return True

    def _of_pods(self, rollout: Rollout, run: Run, now: datetime) -> Iterator[Blocker]:
        ref = run.node
        view = self._index.state.view(ref.cluster)
        load = view.drain_demand(ref.name)
        rule = rollout.pool(run).drain
        for pod in load.deleting:
            if stuck := evictable.stuck(pod, now) or evictable.going(pod, rule):
                yield WaitKey("node", ref), stuck
        for pod, held in load.held(rule):
            several = held.reason is Reason.SEVERAL_BUDGETS
            key = WaitKey("budgets", (ref.cluster, pod.namespace)) if several else WaitKey("node", ref)
            yield key, held
        for group in sorted({treated.group for _, treated in self._asked(view, run)}):
            if other := self._index.operator_requests.other_node(ref, group):
                yield (
                    WaitKey("operator", (ref.cluster, group)),
                    Held(Reason.ASK_TURN, group, {"node": other.name}),
                )
        for budget_ref, (count, pod) in load.needs(view.budgets).items():
            if together := capacity.together(ref.name, view, budget_ref, count):
                yield self._index.wakeups.pinned_key(ref), together
            free = self._index.wakeups.free_evictions(budget_ref, view)
            if found := budgets.asked(view, budget_ref, pod, free, count, now):
                yield WaitKey("budget", (ref.cluster, budget_ref)), found
        if rule.no_room == "evict":
            return
        in_work = self._index.wakeups.in_work(ref.cluster)
        if lacking := capacity.held(ref.name, load.moving, view.capacity, in_work):
            yield self._index.wakeups.capacity_key(ref, lacking), lacking

    def _of_time(self, rollout: Rollout, run: Run) -> Iterator[Blocker]:
        """Yields what holds a node for pods whose drain takes as long as their operator, or the pods themselves,
        need."""
        ref = run.node
        view = self._index.state.view(ref.cluster)
        seconds = rollout.pool(run).drain.timeout_seconds
        for pod, treated in (*self._asked(view, run), *view.drain_demand(ref.name).left_to_end()):
            yield WaitKey("node", ref), _unknown(ref.name, pod, treated, seconds)


def _unknown(node: str, pod: Pod, treated: Treatment, seconds: int) -> Held:
    what = (
        f"pod {pod.ref} is left to end by itself ({treated.by})"
        if treated.do == "wait"
        else f"no budget allows the eviction of {pod.ref} now, and it is asked for ({treated.by})"
    )
    limit = seconds if treated.timeout_seconds is None else treated.timeout_seconds
    return Held(Reason.LENGTH_UNKNOWN, node, {"what": what, "limit": f"{limit} s"})
