"""How long the parts of a run are expected to take: measured where there is history, assumed where there is none."""

from __future__ import annotations

from msgspec import Struct, field

PARTS = ("stage", "reboot", "pod_stop", "pod_start")


class Times(Struct, frozen=True):
    """Seconds. `origin` says of each where it comes from, for the plan."""

    stage: float = 60.0
    """Write the image."""
    reboot: float = 90.0
    """From the request until the node is Ready on its new boot."""
    pod_stop: float = 5.0
    """From an eviction until the pod is gone; never more than its grace period."""
    pod_start: float = 10.0
    """From being bound to a node until Ready."""
    p95: float = 1.25
    """Factor by which a slow run is longer."""
    origin: dict[str, str] = field(default_factory=lambda: dict.fromkeys(PARTS, "default"))
