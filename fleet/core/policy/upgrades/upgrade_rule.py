"""Says how a pool gets new releases: by operators' plans, or by a standing policy that starts rollouts by itself."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType


class SoakRule(Struct, frozen=True):
    """Other nodes that must have run a release before a pool goes to it: those of a pool, or those of a stage."""

    for_seconds: int
    """How long all of them must have run the release, in seconds."""
    pool: str = ""
    stage: str = ""

    @property
    def place(self) -> str:
        """Returns the name for users, such as `pool canary`."""
        return f"pool {self.pool}" if self.pool else f"stage {self.stage}"


class UpgradeRule(Struct, frozen=True):
    """Says when a pool goes to a new release of its stream without an operator's act."""

    mode: Literal["manual", "auto"] = "manual"
    """`auto`: the controller plans and starts a rollout once a release qualifies and a window is open."""
    delay_seconds: int = 0
    """How old a release must be, in seconds from the date that its stream gives."""
    severity_delay: dict[str, int] = {}
    """A shorter delay in seconds, by the severity of an advisory that the release fixes."""
    soaked_in: tuple[SoakRule, ...] = ()
    deny: tuple[str, ...] = ()
    """Versions to which the pool never goes by itself."""
    approval: Literal["rule", "user"] | UnsetType = UNSET
    """`rule`: this rule approves the plans. `user`: they wait for users, as `Pool.approvals` requires. UNSET: `user`
    where `Pool.approvals` requires an approval, else `rule`."""
