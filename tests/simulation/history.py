"""One seeded history: a made-up cluster, a rollout, faults at every point, strangers, persons, kills."""

from __future__ import annotations

from collections import Counter
from random import Random

from msgspec.structs import replace

from fleet.core.action import AnyAction, Outcome, Result
from fleet.core.event import Lost, Synced
from fleet.core.policy import Amount, Limits
from fleet.core.rollout import State
from fleet.core.snapshot import Snapshot
from fleet.core.steps import Step
from fleet.sim.behaviour import Behaviour, Spread
from tests.builders import START, a_budget, a_deployment, a_node, a_policy, a_pool, a_snapshot
from tests.simulation.checker import Checker
from tests.story import Story

FAULTS = 4000.0
"""Seconds of trouble; after them the history may end in peace."""
PATIENCE = 60000.0


class History:
    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.happened: Counter[str] = Counter()
        rng = self.rng
        count = rng.randint(2, 12)
        self.limit, self.per_zone = rng.randint(1, 4), rng.randint(1, 3)
        limits = Limits(max_unavailable=Amount(self.limit), per_zone=Amount(self.per_zone))
        pool = a_pool(limits=limits, soak_seconds=rng.choice([0, 30, 120]), failure_limit=rng.randint(1, 4))
        self.snapshot = self._cluster(count)
        failures = rng.choice(["never-back", "old-version", "stage-fails", "not-ready"])
        failing = {f"n-{rng.randrange(count)}": failures} if rng.random() < 0.3 else {}
        behaviour = Behaviour(
            pod_start=Spread(2, 30),
            pod_stop=Spread(1, 20),
            stage=Spread(10, 90),
            reboot=Spread(20, 200),
            failures=failing,  # type: ignore[arg-type]
        )
        self.checker = Checker(self.limit, self.per_zone)
        self.story = Story([self.snapshot], a_policy(pool), behaviour, seed, perform=self._perform)
        self.calm = False

    def _cluster(self, count: int) -> Snapshot:
        rng = self.rng
        nodes = [a_node(f"n-{index}", zone=rng.choice("abc")) for index in range(count)]
        workloads, pods, budgets = [], [], []
        for index in range(rng.randint(0, 5)):
            replicas = rng.randint(1, 2 * count)
            made = a_deployment(f"app-{index}", replicas, rng.sample(nodes, count))
            workloads += made[0]
            pods += made[1]
            if rng.random() < 0.8:
                budgets.append(a_budget(f"app-{index}", replicas, rng.randint(1, 2)))
        budgets = [budget for budget in budgets if budget.desired_healthy >= 0]
        return a_snapshot(nodes, (workloads, pods), budgets)

    def run(self) -> list[str]:
        """The invariants that were broken; none is what we want."""
        story, rng = self.story, self.rng
        canaries = ["n-0"] if rng.random() < 0.5 else []
        story.start(canaries=canaries)
        while story.at < PATIENCE:
            self.calm = story.at > FAULTS
            if not self.calm:
                self._trouble()
            elif self.checker.asleep == "paused":
                self._say("resume")
            following = story.turn()
            if rng.random() < 0.05 and not self.calm:
                self.happened["kill"] += 1
                story.kill()
            if "r-1" not in story.engine.rollouts or story.rollout.ended_at is not None or following is None:
                break
            if self.calm and story.rollout.state is State.HALTED:
                self._acknowledge()
            story.at = following
        self._at_the_end()
        return self.checker.broken

    def _perform(self, action: AnyAction, at: float) -> Outcome:
        draw = self.rng.random() if not self.calm else 1.0
        if draw < 0.03:
            self.happened["lost before"] += 1
            return Outcome(action, Result.UNKNOWN, "timed out")
        if draw < 0.06:
            self.happened["503"] += 1
            return Outcome(action, Result.FAILED, "503 service unavailable")
        model = self.story.models["east"]
        was = model.snapshot(START)
        self.checker.before(at, action, was, self.story.entries)
        answer = model.perform(action, at)
        self.checker.after(at, action, answer.result, was, model.snapshot(START))
        if draw < 0.10:
            self.happened["lost after"] += 1
            return Outcome(action, Result.UNKNOWN, "timed out")
        return answer

    def _trouble(self) -> None:
        rng, story = self.rng, self.story
        model = story.models["east"]
        if rng.random() > 0.02:
            return
        now = model.snapshot(START)
        node = rng.choice(now.nodes).name if now.nodes else ""
        what = rng.choice(
            ["cordon", "uncordon", "delete", "unready", "budget", "away", "pause", "abort", "pod"]
        )
        self.happened[what] += 1
        match what:
            case "cordon" if node:
                model.stranger.cordon(node)
            case "uncordon" if node:
                model.stranger.uncordon(node)
            case "delete" if len(now.nodes) > 2 and rng.random() < 0.3:
                model.stranger.delete_node(node)
            case "unready" if node and not any(each.ready is not True for each in now.nodes):
                model.stranger.node_ready(node, False)
                story.run(seconds=rng.uniform(0, 60))
                if any(each.name == node for each in model.snapshot(START).nodes):
                    model.stranger.node_ready(node, True)
            case "budget" if now.budgets:
                budget = rng.choice(now.budgets)
                model.stranger.put_budget(
                    replace(budget, max_unavailable=rng.randint(1, 3), min_available=None)
                )
            case "away":
                story.engine.observe(Lost("east", "connection refused"), story.now)
                story.at += rng.uniform(1, 300)
                story.engine.observe(Synced("east"), story.now)
            case "pod" if now.pods:
                model.stranger.delete_pod(rng.choice(now.pods).ref)
            case "pause" if story.rollout.state is State.RUNNING:
                self._say("pause")
            case "abort" if rng.random() < 0.1:
                self._say("abort")
        self.checker.strange(story.at, model.snapshot(START))

    def _say(self, word: str) -> None:
        self.story.say(word)
        self.checker.asleep = {"pause": "paused", "abort": "aborted"}.get(word, "")

    def _acknowledge(self) -> None:
        for run in list(self.story.rollout.runs.values()):
            if run.step is Step.FAILED and run.slot:
                self.story.say("release", str(run.node))
        self._say("resume")

    def _at_the_end(self) -> None:
        story, checker = self.story, self.checker
        now = story.models["east"].snapshot(START)
        rollout = story.engine.rollouts.get("r-1")
        if rollout is None:
            return
        for run in rollout.runs.values():
            if not run.ended and not story.engine.why(run.node, story.now):
                checker.broken.append(f"{run.node.name} waits in {run.step} and nothing says why")
            if run.step in (Step.FAILED, Step.CANCELLED) and not run.why:
                checker.broken.append(f"{run.node.name} {run.step} and does not say why")
        if rollout.ended_at is None:
            return
        kept = {run.node.name for run in rollout.runs.values() if run.slot}
        for node in now.nodes:
            if (node.annotations or node.pending_taint) and node.name not in kept:
                checker.broken.append(f"{node.name} still carries our marks: {node.annotations}")
