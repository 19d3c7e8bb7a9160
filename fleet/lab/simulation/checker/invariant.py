"""What must never happen, and what must happen in the end."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Invariant(StrEnum):
    BUDGET = "no budget is broken by us"
    LIMIT = "no limit of pool, zone, site, cluster or fleet is passed by us"
    DRAIN = "no reboot without a cordon and a drain of that run"
    VOLUME = "no reboot while the volume of a pod that has left is attached"
    QUORUM = "no quorum group loses its majority or its leader by us"
    SAVED = "no member goes without the snapshot that is asked for"
    RELEASE = "done only if the release has booted"
    SOUND = "done only if no unit has failed that had not before the reboot"
    TWICE = "no run reboots its machine twice"
    FOREIGN = "nothing is uncordoned that we did not cordon, and no annotation taken away that is not ours"
    OTHERS = "nothing begins on a node that another party deletes or works on"
    WINDOW = "nothing begins outside the windows"
    FREEZE = "nothing begins in a freeze"
    ASLEEP = "nothing begins while paused, halted or aborted"
    CANARY = "nothing else begins before the canaries are proven"
    EPOCH = "no action of a controller that does not lead"
    INTENT = "every effect has an intent before it"
    ORDER = "an action belongs to the step its run is in"
    RETURNS = "a workload that comes back to its node is evicted a few times only, with pauses"
    SILENT = "what has not ended well says why"
    LEFT = "nothing of ours is left behind"
    REPLAY = "the journal replays to the very state"
    NO_WAY_ON = "a running rollout has work, what opens by itself, or a reason for a person with what to do"
    LIVENESS = "when the faults end and nothing stands in the way, the rollout ends"


class Broken(Struct, frozen=True):
    at: float
    invariant: Invariant
    words: str

    def __str__(self) -> str:
        return f"{self.at:.2f} s: {self.invariant}: {self.words}"
