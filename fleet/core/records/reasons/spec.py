"""The specification of one reason: its message, what ends the wait, and its remedy."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

ReasonScope = Literal["node", "cluster", "quorum group"]
LintReport = Literal["finding", "in status", "other check"]


class ReasonSpec(Struct, frozen=True):
    """One reason for which something waits. Templates name the parameters of `Held`, and `subject`."""

    code: str
    message: str
    """Template of the line that a user reads."""
    opens: str
    """The event that ends the wait, as a sentence."""
    docs: str
    """Page and heading of the documentation with more about the reason, such as `quorum.md#version-skew`."""
    remedy: str = ""
    """Template of what a user can do; empty: waiting is all there is to do."""
    needs_action: bool = False
    """The wait does not end by itself while the rollout goes on: an operator has to act."""
    scope: ReasonScope = "node"
    """The scope of the wait: one node, a whole cluster, or the nodes of a quorum group."""
    lint: LintReport = "finding"
    """How `fleet lint` reports nodes that are held until an operator acts: as a finding; not at all, because the reason
    describes the present state of a node or of a rollout, which `fleet status` shows; or by another check, which says
    more. Quorum groups have checks of their own."""
