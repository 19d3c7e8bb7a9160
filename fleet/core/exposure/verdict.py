"""Decides what an advisory says about the software of one node, and why."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

ExposureState = Literal["affected", "fixed", "not_affected", "unknown"]
"""`unknown`: neither the advisory nor the node's facts decide the question. It never means that a node is safe."""


class ExposureVerdict(Struct, frozen=True, gc=False):
    """The answer for one node."""

    state: ExposureState
    reason: Literal[
        "in-range",
        "listed",
        "before-range",
        "fixed-by-version",
        "fixed-by-inference",
        "no-vulnerable-code",
        "declared-fixed",
        "backports",
        "no-statement",
        "not-reported",
        "not-comparable",
        "under-investigation",
        "withdrawn",
        "live-patched",
        "not-installed",
    ]
    """Why, as a value that stays the same."""
    message: str
    """Why, as a sentence for users, without its full stop."""


def worst(verdicts: list[ExposureVerdict]) -> ExposureVerdict | None:
    """Returns the verdict that decides where several statements apply: affected before unknown before the rest. None if
    there is none.

    That a version is older than a fixed one is an inference, and does not count where another statement says that the
    version is fixed: vendors fix several branches, each with its own number.
    """
    fixed = any(verdict.state == "fixed" for verdict in verdicts)
    counted = [one for one in verdicts if not (fixed and one.reason == "fixed-by-inference")]
    rank = {"affected": 0, "unknown": 1, "fixed": 2, "not_affected": 3}
    return min(counted, key=lambda verdict: rank[verdict.state], default=None)
