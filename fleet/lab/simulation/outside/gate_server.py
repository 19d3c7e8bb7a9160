"""The server that the gates of a history ask: healthy, unhealthy or silent for some minutes at a time."""

from __future__ import annotations

from random import Random

from fleet.core.policy.gate import GateVerdict

SPELL = 120.0
"""Seconds for which the answer to one gate stays the same."""


class GateServer:
    """Gives the answers to the gates of one history. They depend on the seed, the gate and the time alone."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.repaired = False
        """True: every answer is good from now on."""

    def verdict(self, gate: str, at: float) -> GateVerdict:
        """Returns what a measurement finds at this time, in seconds since the beginning of the history."""
        rng = Random(f"{self._seed} gate {gate} {at // SPELL:.0f}")
        drawn = rng.choices(list(GateVerdict), weights=[8, 1, 2])[0]
        return GateVerdict.GOOD if self.repaired else drawn

    def takes(self, gate: str, at: float) -> float:
        """Returns how many seconds the answer takes."""
        return Random(f"{self._seed} gate {gate} takes {at}").choice([0.1, 0.5, 9.0])
