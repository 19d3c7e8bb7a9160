"""The machine under a node: what the controller asks of it, and what its agent saw (the Machine CRD)."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from fleet.core.releases.release import Release

GROUP = "fleet.internal"
VERSION = "v1"

# The most that the CRD takes (`kube/install/manifests/20-machines.yaml`): an agent cuts off what is beyond.
ARGUMENTS_MOST = 4096
"""Characters of a kernel's command line: what Linux itself takes at most."""
LAYERED_MOST = 256
UNITS_MOST = 64
NAME_MOST = 256
"""Characters of a name: of a package, a unit, an operating system, a version, a digest, a kernel, a boot id."""
MESSAGE_MOST = 4096
"""Characters of what the agent says about its work."""
LOG_MOST = 8192
"""Characters of a log."""
UNTOLD = "unknown"
"""systemd's state where it is there and does not answer."""


class Ask(StrEnum):
    """What the controller may ask of a machine."""

    STAGE = "stage"
    REBOOT = "reboot"
    ROLLBACK = "rollback"


class Request(Struct, frozen=True, gc=False):
    """`spec` of a Machine. The token names one intent: an agent never acts twice on the same one."""

    action: Ask
    token: str
    release: Release


class Units(Struct, frozen=True, gc=False):
    """What systemd says of a machine's units."""

    state: str
    """As `systemctl is-system-running` has it: running, degraded, starting, maintenance, ..."""
    failed: tuple[str, ...] = ()
    """Their names, in order; at most UNITS_MOST."""

    @property
    def starting(self) -> bool:
        """Not all that the boot asks for has been tried: what fails may be yet to come."""
        return self.state in ("initializing", "starting")

    @property
    def told(self) -> bool:
        """systemd has answered: else it is not known which units have failed."""
        return self.state != UNTOLD


class Work(Struct, frozen=True, gc=False):
    """The agent's word about the request of this token, kept across the reboot that it asks for."""

    token: str
    state: Literal["working", "done", "failed"]
    message: str = ""
    percent: int = 0
    boot_id: str = ""
    """The boot in which the agent took the request up: a reboot is done when the machine's is another."""
    earlier: tuple[str, ...] = ()
    """Tokens that were taken up before this one, newest last; not all that ever were, but the last few."""
    units: Units | None = None
    """As they were when a reboot was taken up: what had failed then is not held against the boot that follows."""
    log: str = ""
    """The end of the log of the boot that failed, where a reboot has ended in another release than the wanted one."""


class LogAsk(Struct, frozen=True, gc=False):
    """A person's wish for the end of the log of the boot before this one; beside the controller's request."""

    token: str
    unit: str = ""
    """Of systemd; empty: of all."""
    lines: int = 100


class LogTold(Struct, frozen=True, gc=False):
    """What the agent says to the wish of this token: the text, at most LOG_MOST characters, or why there is none."""

    token: str
    text: str = ""
    error: str = ""


class Machine(Struct, frozen=True, gc=False):
    """One per node, under the node's name."""

    name: str
    uid: str = ""
    request: Request | None = None
    work: Work | None = None
    os: str = ""
    """The OS family that the agent detected: `simulated`, `rpm-ostree`, ..."""
    booted: Release | None = None
    staged: Release | None = None
    rollback: Release | None = None
    boot_id: str = ""
    kernel: str = ""
    kernel_arguments: str = ""
    """As the booted kernel was started, in one line, without secrets."""
    layered: tuple[str, ...] = ()
    """Packages that somebody put on top of the booted release."""
    units: Units | None = None
    """None: the machine has no systemd, or nobody has told."""
    reported: bool = False
    """An agent has written its status at least once."""
    log_ask: LogAsk | None = None
    """This and the next: known to the machine's agent and to whoever asks, not to controllers and the inventory."""
    log_told: LogTold | None = None
    resource_version: str = ""

    def answer(self, token: str) -> Work | None:
        """What the agent says of this token; None while it has said nothing."""
        return self.work if self.work is not None and self.work.token == token else None
