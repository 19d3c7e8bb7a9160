"""The invariants: conditions that a history must never break, or must fulfil in the end."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Invariant(StrEnum):
    BUDGET = "fleet breaks no PodDisruptionBudget"
    LIMIT = "fleet exceeds no limit of a pool, zone, site, cluster or the fleet"
    DRAIN = "no reboot before the run has cordoned and drained the node"
    VOLUME = "no reboot while the volume of an evicted pod is attached"
    QUORUM = "no quorum group loses its majority or its leader by a reboot"
    SAVED = "no member reboots before the snapshot that the policy asks for"
    RELEASE = "a run is done only if the release has booted"
    SOUND = "a run is done only if no unit fails that ran before the reboot"
    TWICE = "no run reboots its machine twice"
    FOREIGN = "fleet removes no cordon and no annotation that is not its own"
    OTHERS = "nothing begins on a node that another controller deletes or works on"
    WINDOW = "nothing begins outside the windows"
    FREEZE = "nothing begins in a freeze"
    ASLEEP = "nothing begins while paused, halted or aborted"
    CANARY = "no other node begins before the canaries are verified"
    STAGE = "nothing begins before the stages before it have ended, nor in more sites than the stage allows"
    GATE = "a gate passes by good measurements, its time or an operator alone, and nothing begins before that"
    HOOK = "what waits for a hook begins only when the hook has passed, and no hook runs twice unless that is declared"
    EPOCH = "a controller that does not lead sends no action"
    INTENT = "every effect has an intent in the journal before it"
    ORDER = "an action belongs to the step of its run"
    RETURNS = "a workload that comes back to its node is evicted a few times only, with pauses"
    SILENT = "a run that waits or has failed has a reason"
    LEFT = "fleet leaves nothing behind on a node"
    REPLAY = "the journal replays to the same state"
    NO_WAY_ON = "a running rollout has work, a reason that passes by itself, or a reason with a remedy"
    LIVENESS = "when the faults end and nothing stands in the way, the rollout ends"


class Broken(Struct, frozen=True):
    at: float
    invariant: Invariant
    message: str

    def __str__(self) -> str:
        return f"{self.at:.2f} s: {self.invariant}: {self.message}"
