"""One seeded history: a generated fleet, a rollout, faults at every point, users, kills; then a time without faults,
and an end."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.core.objects.node import NodeRef
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.rollout import Rollout
from fleet.lab.simulation.builders import START
from fleet.lab.simulation.checker.invariant import Broken, Invariant
from fleet.lab.simulation.faults.table import FAULTS
from fleet.lab.simulation.humans import fix_causes, release_and_resume
from fleet.lab.simulation.scenario.scenario import draw_scenario
from fleet.lab.simulation.schedule import Fault, schedule
from fleet.lab.simulation.world import WHOLE, Parts, World

CALM = 3600.0
"""Seconds after which all faults have ended."""
LOOK = 300.0
"""Seconds between two looks of a user, from then on."""
PATIENCE = 14 * 86400.0
"""Seconds by which every rollout must have ended. Windows open daily."""
MOMENTS = 60000
"""More moments than this in one history are a loop without progress."""


class History:
    def __init__(self, seed: int, faults: Sequence[Fault] | None = None, parts: Parts = WHOLE) -> None:
        """Prepares a history. `faults`: these in place of those that the seed draws."""
        self.seed = seed
        self.faults = tuple(faults) if faults is not None else schedule(seed)
        self.world = World(seed, draw_scenario(seed), parts)
        self.moments = 0

    @property
    def broken(self) -> list[Broken]:
        return self.world.checker.broken

    def run(self) -> list[Broken]:
        """Runs the history, and returns the broken invariants. It stops at the first one."""
        world = self.world
        world.start("r-1")
        for fault in self.faults:
            world.later(fault.at, lambda fault=fault: self._apply_fault(fault))  # type: ignore[misc]
        world.later(CALM, self._end_faults)
        while not self.broken and world.step(PATIENCE):
            self.moments += 1
            if self._at_rest() and self._end():
                return self.broken
            if self.moments > MOMENTS:
                break
        if not self.broken:
            self._stuck()
        return self.broken

    def _apply_fault(self, fault: Fault) -> None:
        effect = FAULTS[fault.kind](self.world, fault.rng)
        if effect:
            self.world.log(f"* {fault.kind}: {effect}")
            self.world.coverage.faults[fault.kind] += 1

    def _end_faults(self) -> None:
        """Ends the faults: checks once before any user fixes anything, and then again and again."""
        self._check_reasons()
        fix_causes(self.world)
        release_and_resume(self.world)
        self.world.later(self.world.at + LOOK, self._end_faults)

    def _at_rest(self) -> bool:
        world = self.world
        leader = world.leader
        return (
            leader is not None
            and not world.journal.closed
            and all(rollout.ended for rollout in world.checker.rollouts.values())
            and leader.engine.idle
            and not leader.inbox
            and not leader.hook_answers
            and not world.sent
            and all(wire.heard for wire in leader.wires.values())
        )

    def _end(self) -> bool:
        """Returns whether nothing is left to happen."""
        world = self.world
        self._check_reasons()
        self._replay()
        if world.scenario.again and "r-2" not in world.checker.rollouts:
            world.start("r-2")
            return False
        if release_and_resume(world):
            return False
        world.checker.at_rest(world.at, [model.snapshot(START) for model in world.models.values()])
        return True

    def _check_reasons(self) -> None:
        """Checks that every run that waits or has ended without success has a reason."""
        world = self.world
        leader = world.leader
        if leader is None or leader.stopped or leader.next_at() == world.at:
            return
        for rollout in leader.engine.rollouts.values():
            reasons: dict[str, list[tuple[str, str]]] = {}
            for run in rollout.runs.values():
                held = leader.engine.why(run.node, world.now)
                world.coverage.held([held])
                current = leader.engine.rollout_of(run.node) is rollout
                if current and not run.ended:
                    reasons[str(run.node)] = [(hold.reason.value, hold.remedy) for hold in held]
                if current and run.step in ("pending", "staged") and rollout.active and not held:
                    world.checker.report(world.at, Invariant.SILENT, f"{run.node} waits in {run.step}")
                if run.ended and run.step != "done" and not run.why:
                    world.checker.report(world.at, Invariant.SILENT, f"{run.node} {run.step}")
            if rollout.id in world.checker.rollouts:
                world.checker.check_waiting(world.at, rollout.id, reasons)

    def _replay(self) -> None:
        leader = self.world.leader
        if leader is None:
            return
        replayed = rollouts_of(self.world.journal.entries)
        for ident, rollout in leader.engine.rollouts.items():
            for name, live in _state(rollout).items():
                from_journal = _state(replayed[ident])[name]
                if from_journal != live:
                    self.world.checker.report(
                        self.world.at, Invariant.REPLAY, f"{ident} {name}: {from_journal} instead of {live}"
                    )

    def _stuck(self) -> None:
        world = self.world
        leader = world.leader
        message = "the rollout goes round in circles" if self.moments > MOMENTS else "nothing moves any more"
        for rollout in world.checker.rollouts.values():
            for name, run in rollout.runs.items():
                if run.step in ("done", "failed", "cancelled"):
                    continue
                held = leader.engine.why(NodeRef.parse(name), world.now) if leader else ()
                message += f"; {name} {run.step}: {', '.join(hold.message for hold in held)}"
        world.checker.report(world.at, Invariant.LIVENESS, message)


def _state(rollout: Rollout) -> dict[str, object]:
    return {
        "state": (rollout.state, rollout.state_at, rollout.state_by, rollout.why),
        "runs": rollout.runs,
        "gates": rollout.gates,
        "hooks": rollout.hooks,
        "end": rollout.ended_at,
        "counts": {step: count for step, count in rollout.counts.items() if count},
        "intents": list(rollout.intents),
        "counter": rollout.counter,
        "allowance": rollout.allowance,
    }
