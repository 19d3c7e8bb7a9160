"""The findings of `fleet lint`."""

from __future__ import annotations

from msgspec import Struct, field


class LintFinding(Struct, frozen=True, order=True):
    """One contradiction or one obstacle of a rollout, with its remedy."""

    cluster: str
    """Empty: the finding is not about a cluster of the fleet."""
    check: str
    """`voters-even`, `budget-quorum`, ...: docs/quorum.md describes all of them."""
    subject: str
    """A group, a budget or a pod (namespace/name), a pool, or another program that reboots nodes."""
    message: str = field(name="words")
    remedy: str = field(name="advice")


class LintResult(Struct, frozen=True):
    """The result of `fleet lint`."""

    findings: tuple[LintFinding, ...] = ()
    checked: tuple[str, ...] = ()
    """Names of the clusters that were checked."""
    unread: tuple[str, ...] = ()
    """Names of the clusters that were never read, so that nothing can be reported about them."""
