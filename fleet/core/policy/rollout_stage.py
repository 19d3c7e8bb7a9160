"""The stages of a rollout: which nodes go before which others, and what must hold in between."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from fleet.core.policy.gate import AnyGate
from fleet.core.policy.hooks.hook import Hooks


class RolloutStage(Struct, frozen=True):
    """Nodes that go together, after those of the stages before. A node is in the first stage that it matches; nodes
    that match none go last."""

    name: str
    pools: tuple[str, ...] = ()
    """Names of pools; empty for all."""
    clusters: tuple[str, ...] = ()
    """Names of clusters; empty for all."""
    sites: tuple[str, ...] = ()
    """Names of sites; empty for all."""
    sites_at_once: int | None = None
    """The number of sites in which nodes of this stage are in work at once. None: all of them."""
    gates: tuple[AnyGate, ...] = ()
    """Asked when all nodes of the stage have ended, before the next stage begins."""
    hooks: Hooks | UnsetType = UNSET
    """What runs before and after the nodes of the stage."""

    def holds(self, pool: str, cluster: str, site: str) -> bool:
        """Returns whether a node of this pool, cluster and site is in the stage, if no earlier stage has it."""
        return (
            (not self.pools or pool in self.pools)
            and (not self.clusters or cluster in self.clusters)
            and (not self.sites or site in self.sites)
        )
