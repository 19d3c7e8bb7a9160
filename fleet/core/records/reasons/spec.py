"""What there is to say of one reason."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

ReasonScope = Literal["node", "cluster", "quorum group"]


class ReasonSpec(Struct, frozen=True):
    """One reason for which something waits. Templates name the parameters of `Held`, and `subject`."""

    code: str
    message: str
    """Template of the line that a user reads."""
    opens: str
    """What ends the wait."""
    docs: str
    """Page and heading of the documentation that says more, such as `quorum.md#version-skew`."""
    remedy: str = ""
    """Template of what a user can do; empty: waiting is all there is to do."""
    needs_action: bool = False
    """The wait does not end by itself while the rollout goes on: an operator has to act."""
    scope: ReasonScope = "node"
    """What is held: one node, a whole cluster, or the nodes of a quorum group."""
