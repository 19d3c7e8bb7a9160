"""Checks a history against the true state of the clusters, the actions that reached them, and the journal.

Shares no code with the engine: it decides readiness, budgets, limits, order and ownership by its own rules."""

from __future__ import annotations

from datetime import datetime

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.node import CORDON_ANNOTATION
from fleet.core.records.journal import JournalEntry
from fleet.core.rollout.action import AnyAction, Cordon, Evict, Reboot, Result
from fleet.core.rollout.event import ClusterEvent
from fleet.lab.simulation.checker.facts import (
    covers,
    failed_units,
    has_open_request,
    healthy_needed,
    is_left,
    machine_of,
    runs_release,
    stays,
    volumes_of_pods,
)
from fleet.lab.simulation.checker.gates import GateName
from fleet.lab.simulation.checker.ground_truth import GroundTruth, NodeName
from fleet.lab.simulation.checker.invariant import Broken, Invariant
from fleet.lab.simulation.checker.journal_view import BEGUN, ENDED, WELL, JournalView, RunView, read_again
from fleet.lab.simulation.checker.limits import LimitCheck
from fleet.lab.simulation.checker.returns import EvictionCounts
from fleet.lab.simulation.checker.strangers import ExternalMarks
from fleet.lab.simulation.checker.voting import lost, unsaved
from fleet.lab.simulation.checker.workloads import WorkloadHistory

STEPS_OF_ACTION = {
    "mark": ("pending", "stage", "staged"),
    "stage": ("stage",),
    "cordon": ("cordon", "drain", "reboot"),
    "evict": ("drain",),
    "reboot": ("reboot",),
    "snapshot": ("cordon",),
    "move-leader": ("drain",),
    "defragment": ("soak",),
    "uncordon": ("uncordon", "return", *ENDED),
    "unmark": ENDED,
    "clear": ENDED,
}
"""The steps of a run in which each action may be intended."""
ABOUT_OTHER_NODES = ("canary", "turn", "quorum-order", "stage", "stage-sites")
"""Reasons that point to other nodes, which must be able to go on by themselves."""
BY_ITSELF = (
    *("window", "freeze", "budget", "staging", "backoff", "quorum-away", "leader", "snapshot"),
    *("terminating", "not-verified", "node-absent", "gate", "hook"),
)
"""Reasons that pass without an action of a user."""
STARTS = ("stage", "cordon", "evict", "reboot", "snapshot", "move-leader")
"""Actions that a pause forbids."""
ENDED_BY_ABORT = ("stage", "cordon", "evict")
"""Actions that an abort forbids, also in runs that have begun."""
FORBIDDEN_BESIDE_OTHERS = ("cordon", "evict", "reboot")
"""Actions that must not begin on a node that another controller deletes or works on."""


class Checker:
    def __init__(self, sites: dict[str, str]) -> None:
        self.broken: list[Broken] = []
        self.rollouts: dict[str, JournalView] = {}
        self.truth = GroundTruth()
        self.strangers = ExternalMarks(self.truth)
        self._limits = LimitCheck(sites, self.rollouts, self.truth)
        self._intended: dict[str, float] = {}
        """When each action was intended by the controller's clock, in seconds, by the action's id."""
        self._returns = EvictionCounts()
        self._workloads = WorkloadHistory()
        self._foreign: set[NodeName] = set()
        self._saved: set[tuple[str, str]] = set()
        """Rollouts and nodes for which a snapshot was taken before the node's reboot."""
        self._unreliable: set[NodeName] = set()
        self._at = 0.0

    def journaled(self, at: float, entry: JournalEntry) -> None:
        """Checks a new entry of the journal, and applies it. `at` is the true time; `entry.at` is the time of the
        controller's clock."""
        self._at = at
        record = entry.record
        if record.form == "command" and record.kind == "start":
            self.rollouts[record.rollout] = JournalView(entry)
            return
        rollout = self.rollouts[record.rollout]
        if record.form == "intent":
            self._intend(rollout, entry)
        elif record.form == "outcome" and record.kind == "snapshot" and record.detail["result"] == "done":
            self._saved.add((record.rollout, record.node))
        elif record.form == "decision" and record.kind == "step":
            self._before_step(rollout, entry)
        elif record.form == "decision" and record.kind in ("canary", "no-canary"):
            self._before_change(rollout, entry)
        elif record.form == "decision" and record.kind == "gate-passed":
            name = (record.detail["point"]["of"], record.detail["point"]["name"], record.detail["gate"])
            why = rollout.gates.wrongly_passed(name, entry.at)
            if why := why or self._workloads.less_ready(at, rollout.gates.ready_before(name)):
                self._break(Invariant.GATE, f"{name[2]} passes: {why}")
        elif record.form == "decision" and record.kind == "workloads":
            for message in self._workloads.wrongly_noted(
                at, record.detail["cluster"], record.detail["ready"]
            ):
                self._break(Invariant.GATE, message)
        if why := rollout.out_of_hooks(record):
            self._break(Invariant.HOOK, why)
        rollout.apply(entry)

    def entries_lost(self, left: list[JournalEntry]) -> None:
        """Takes the rollouts from what is left of the journal. What has happened to the clusters is not forgotten."""
        self.rollouts.update(read_again(self.rollouts, left))

    def observe(self, at: float, event: ClusterEvent) -> None:
        self.truth.observe(at, event)
        self._workloads.observe(at, event)

    def measured(self, rollout: str, gate: GateName, clock: datetime, verdict: str) -> None:
        """Records what the measurement of a gate has found. `clock`: the time of the controllers' clock."""
        self.rollouts[rollout].gates.measured(gate, clock, verdict)

    def cordoned_by_user(self, cluster: str, node: str) -> None:
        """Records a cordon by a user. A cordon over fleet's own, or where fleet's annotation stayed, is left out: the two
        cannot be distinguished."""
        current = self.truth.nodes.get((cluster, node))
        if current is not None and CORDON_ANNOTATION not in current.annotations and not current.unschedulable:
            self._foreign.add((cluster, node))

    def uncordoned_by_user(self, cluster: str, node: str) -> None:
        self._foreign.discard((cluster, node))

    def note_false_report(self, cluster: str, node: str) -> None:
        """Records that the machine has made a false report: neither its release nor its reports prove anything any more."""
        self._unreliable.add((cluster, node))

    def before(self, at: float, action: AnyAction, led: bool, was: Snapshot) -> None:
        """Checks an action right before it reaches its cluster. `led`: whether its controller led when it sent the
        action."""
        self._at = at
        name = action.node.name
        if not led:
            self._break(Invariant.EPOCH, f"{action.kind} of {name}")
        if action.id not in self._intended:
            self._break(Invariant.INTENT, f"{action.kind} of {name}")

    def after(self, at: float, action: AnyAction, result: Result, was: Snapshot, now: Snapshot) -> None:
        """Checks the effect of an action on the cluster."""
        self._at = at
        if isinstance(action, Reboot) and result is Result.DONE:
            self._after_reboot(action, was)
        if isinstance(action, Cordon) and result is Result.DONE:
            self._returns.cordoned((action.node.cluster, action.node.name), now)
        if isinstance(action, Evict):
            self._after_evict(action, was, now)
        for node in now.nodes:
            name = (now.cluster, node.name)
            if name in self._foreign and not node.unschedulable:
                self._foreign.discard(name)
                self._break(Invariant.FOREIGN, f"{action.kind} of {node.name}")
        if missing := self.strangers.missing_annotation(now.cluster, now.nodes):
            self._break(Invariant.FOREIGN, f"{action.kind} took {missing}")

    def at_rest(self, at: float, snapshots: list[Snapshot]) -> None:
        """Checks the clusters when nothing is left to do for any rollout."""
        self._at = at
        for snapshot in snapshots:
            for node in snapshot.nodes:
                keeps_slot = any(
                    run.keeps
                    for rollout in self.rollouts.values()
                    for run in rollout.runs.values()
                    if (run.cluster, run.name) == (snapshot.cluster, node.name)
                )
                foreign = self.strangers.foreign_keys(snapshot.cluster, node)
                marks = [*node.annotations, *(taint.key for taint in node.taints)]
                marks = [mark for mark in marks if mark not in foreign]
                has_request = has_open_request(snapshot, node.name) and not self._is_unreliable(
                    snapshot.cluster, node.name
                )
                if not keeps_slot and (marks or has_request):
                    self._break(Invariant.LEFT, f"on {node.name}: {', '.join(marks) or 'a request'}")

    def check_waiting(self, at: float, rollout: str, reported: dict[str, list[tuple[str, str]]]) -> None:
        """Checks that a waiting rollout can go on. `reported`: for each node whose run has not ended, the reasons that hold
        the node, each with its remedy."""
        self._at = at
        rollout_view = self.rollouts[rollout]
        if rollout_view.state != "running" or rollout_view.ended or rollout_view.in_work or not reported:
            return
        reasons = {
            reason_and_remedy
            for of_node in reported.values()
            for reason_and_remedy in of_node
            if reason_and_remedy[0] not in ABOUT_OTHER_NODES
        }
        if not any(remedy or reason in BY_ITSELF for reason, remedy in reasons):
            summary = ", ".join(f"{name} {of_node}" for name, of_node in reported.items())
            self._break(Invariant.NO_WAY_ON, f"{rollout} waits for nothing that can come: {summary}")

    def report(self, at: float, invariant: Invariant, message: str) -> None:
        """Records an invariant that the history itself has found to be broken."""
        self._at = at
        self._break(invariant, message)

    def _intend(self, rollout: JournalView, entry: JournalEntry) -> None:
        record = entry.record
        self._intended[record.detail["id"]] = entry.at.timestamp()
        run = rollout.runs[record.node]
        if run.step not in STEPS_OF_ACTION[record.kind]:
            self._break(Invariant.ORDER, f"{record.kind} of {run.name} in step {run.step}")
        if record.kind in FORBIDDEN_BESIDE_OTHERS and self.strangers.is_claimed(
            self._at, run.cluster, run.name
        ):
            self._break(Invariant.OTHERS, f"{record.kind} of {run.name}")
        if record.kind in STARTS and rollout.state == "paused":
            self._break(Invariant.ASLEEP, f"{record.kind} of {run.name} while paused")
        if record.kind in ENDED_BY_ABORT and rollout.state == "aborted":
            self._break(Invariant.ASLEEP, f"{record.kind} of {run.name} after the abort")

    def _before_change(self, rollout: JournalView, entry: JournalEntry) -> None:
        run = rollout.runs[entry.record.node]
        becomes = entry.record.kind == "canary"
        if run.step not in ("pending", "staged") or (becomes and not rollout.may_appoint(run)):
            self._break(Invariant.CANARY, f"{entry.record.kind} {run.name} in {run.step}")

    def _before_step(self, rollout: JournalView, entry: JournalEntry) -> None:
        record = entry.record
        run, step = rollout.runs[record.node], record.detail["to"]
        if step in WELL and run.reboots and not self._is_unreliable(run.cluster, run.name):
            if not runs_release(self.truth.machines.get((run.cluster, run.name)), rollout.release):
                self._break(Invariant.RELEASE, run.name)
            failed = failed_units(self.truth.machines.get((run.cluster, run.name))) - run.failed_before
            if failed:
                self._break(Invariant.SOUND, f"{run.name}: {', '.join(sorted(failed))}")
        first = step == "cordon" and run.step not in BEGUN
        if first or (step == "stage" and run.step == "pending"):
            if rollout.state != "running":
                self._break(Invariant.ASLEEP, f"{step} of {run.name} while {rollout.state}")
            if self.strangers.is_claimed(self._at, run.cluster, run.name):
                self._break(Invariant.OTHERS, f"{step} of {run.name}")
            self._before_begin(rollout, run, step)
        if first:
            for point in rollout.not_noted(run):
                self._break(Invariant.GATE, f"{run.name} begins, and its workloads are not noted for {point}")
            if not rollout.open(run.pool, entry.at):
                self._break(Invariant.WINDOW, f"{run.name} at {entry.at:%H:%M:%S}")
            if rollout.frozen(run, entry.at):
                self._break(Invariant.FREEZE, f"{run.name} at {entry.at:%H:%M:%S}")
            for message in self._limits.exceeded(self._at, rollout, run):
                self._break(Invariant.LIMIT, message)

    def _before_begin(self, rollout: JournalView, run: RunView, step: str) -> None:
        """Checks what other nodes and gates must have done before a run begins."""
        if why := rollout.out_of_stage(run):
            self._break(Invariant.STAGE, f"{step} of {run.name}: {why}")
        if closed := rollout.closed_gates(run):
            self._break(Invariant.GATE, f"{step} of {run.name} before {', '.join(closed)}")
        if not run.canary and not rollout.canaries_proven(run):
            self._break(Invariant.CANARY, f"{step} of {run.name}")

    def _after_reboot(self, action: Reboot, was: Snapshot) -> None:
        name = action.node.name
        node = next(candidate for candidate in was.nodes if candidate.name == name)
        rollout = self.rollouts[action.rollout]
        run = rollout.runs[str(action.node)]
        if not node.unschedulable or node.annotations.get(CORDON_ANNOTATION) != action.rollout:
            self._break(Invariant.DRAIN, f"{name} is not cordoned by us")
        for pod in was.pods:
            left = stays(pod) or is_left(rollout.policy, run.pool, pod)
            if pod.node == name and not left and pod.phase not in ("Succeeded", "Failed"):
                self._break(Invariant.DRAIN, f"{name} under pod {pod.namespace}/{pod.name}")
        for attachment in self.truth.attached(at=self._at, name=(was.cluster, name)):
            if attachment.volume not in volumes_of_pods(was, name):
                self._break(Invariant.VOLUME, f"{name}: {attachment.volume}")
        policy = rollout.policy
        if why := lost(action.node, was, policy):
            self._break(Invariant.QUORUM, f"{name}: {why}")
        if unsaved(action.node, was, policy) and (action.rollout, str(action.node)) not in self._saved:
            self._break(Invariant.SAVED, name)
        if not run.reboots:
            run.failed_before = failed_units(machine_of(was, name))
        run.reboots.add(action.token)
        if len(run.reboots) > 1:
            self._break(Invariant.TWICE, f"{name} by {', '.join(sorted(run.reboots))}")

    def _after_evict(self, action: Evict, was: Snapshot, now: Snapshot) -> None:
        """Checks an eviction. `was`: the cluster right before. Changes that the budget's own status does not show yet do not
        count against fleet."""
        pod = next((candidate for candidate in was.pods if candidate.uid == action.pod_uid), None)
        remaining = {candidate.uid: candidate for candidate in now.pods}
        if pod is None or pod.deleting or (pod.uid in remaining and not remaining[pod.uid].deleting):
            return
        times = self._at, self._intended.get(action.id, self._at)
        if why := self._returns.granted((action.node.cluster, action.node.name), pod, was, times):
            self._break(Invariant.RETURNS, why)
        if pod.phase == "Pending" or not pod.ready:
            return
        for budget in was.budgets:
            covered = [candidate for candidate in was.pods if covers(budget, candidate)]
            if not covers(budget, pod):
                continue
            healthy = sum(candidate.ready and not candidate.deleting for candidate in covered)
            informed = budget.observed_generation >= budget.generation and (
                budget.current_healthy - len(budget.disrupted) <= healthy
            )
            if informed and healthy - 1 < healthy_needed(budget):
                self._break(Invariant.BUDGET, f"{pod.name} goes, {healthy - 1} are Ready under {budget.name}")

    def _is_unreliable(self, cluster: str, node: str) -> bool:
        return (cluster, node) in self._unreliable

    def _break(self, invariant: Invariant, message: str) -> None:
        self.broken.append(Broken(self._at, invariant, message))
