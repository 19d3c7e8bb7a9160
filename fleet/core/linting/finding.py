"""What `fleet lint` reports."""

from __future__ import annotations

from msgspec import Struct, field


class LintFinding(Struct, frozen=True, order=True):
    cluster: str
    """Empty: of no cluster of the fleet."""
    check: str
    """`voters-even`, `budget-quorum`, ...: docs/quorum.md names them all."""
    subject: str
    """A group, a budget or pod (namespace/name), a pool, or another that reboots nodes."""
    message: str = field(name="words")
    remedy: str = field(name="advice")


class LintResult(Struct, frozen=True):
    findings: tuple[LintFinding, ...] = ()
    checked: tuple[str, ...] = ()
    """Clusters."""
    unread: tuple[str, ...] = ()
    """Clusters that were never read, so that nothing can be said of them."""
