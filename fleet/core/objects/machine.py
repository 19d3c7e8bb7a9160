"""The Machine custom resource: what the controller requests of the machine under a node, and what its agent reports."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from fleet.core.releases.release import Release

GROUP = "fleet.internal"
VERSION = "v1"

# Upper bounds of the CRD's schema (`kube/install/manifests/20-machines.yaml`): an agent cuts longer values off.
ARGUMENTS_MOST = 4096
"""Maximum length of a kernel's command line, in characters: the longest that Linux itself accepts."""
LAYERED_MOST = 256
"""Maximum number of layered packages."""
ETC_MOST = 128
"""Maximum number of files in /etc that are reported as changed."""
UNITS_MOST = 64
"""Maximum number of failed systemd units."""
LIVE_PATCHES_MOST = 64
"""Maximum number of live patches of the kernel."""
NAME_MOST = 256
"""Maximum length, in characters, of the name of a package, unit, live patch or operating system, of a version, digest,
kernel or boot id."""
MESSAGE_MOST = 4096
"""Maximum length of the agent's message about its work, in characters."""
LOG_MOST = 8192
"""Maximum length of a log, in characters."""
UNKNOWN_STATE = "unknown"
"""The state that is reported for systemd if a machine has systemd and systemd does not answer."""


class Ask(StrEnum):
    """The actions that the controller may request of a machine."""

    STAGE = "stage"
    REBOOT = "reboot"
    ROLLBACK = "rollback"


class Request(Struct, frozen=True, gc=False):
    """`spec` of a Machine. The token names one intent: an agent never acts twice on the same token."""

    action: Ask
    token: str
    release: Release


class Units(Struct, frozen=True, gc=False):
    """The state of a machine's systemd units."""

    state: str
    """The output of `systemctl is-system-running`: running, degraded, starting, maintenance, ..."""
    failed: tuple[str, ...] = ()
    """Names of the failed units, sorted; at most UNITS_MOST."""

    @property
    def starting(self) -> bool:
        """True while systemd still starts units of this boot, so that more of the units may fail."""
        return self.state in ("initializing", "starting")

    @property
    def known(self) -> bool:
        """True if systemd has answered; otherwise the failed units are not known."""
        return self.state != UNKNOWN_STATE


class EtcChanges(Struct, frozen=True, gc=False):
    """The files in /etc that are not as the booted release brings them: their paths, never their contents."""

    changed: tuple[str, ...] = ()
    """The first ETC_MOST changes, sorted by path: `M ssh/sshd_config` is another file than the release's, `A hosts.deny`
    is not in the release, `D motd` is in the release and was removed. Paths are relative to /etc."""
    more: int = 0
    """How many changes there are besides these."""


class Work(Struct, frozen=True, gc=False):
    """The agent's report about the request with this token, kept across the reboot that the request asks for."""

    token: str
    state: Literal["working", "done", "failed"]
    message: str = ""
    percent: int = 0
    boot_id: str = ""
    """Id of the boot in which the agent took up the request. A reboot is done when the machine's boot id is another
    one."""
    earlier: tuple[str, ...] = ()
    """Tokens of the last few requests that were taken up before this one, newest last."""
    units: Units | None = None
    """The units as they were when the agent took up a reboot: units that had failed by then do not count against the
    next boot."""
    log: str = ""
    """The end of the log of the failed boot, if a reboot has ended in another release than the wanted one."""


class LogAsk(Struct, frozen=True, gc=False):
    """A user's request for the end of the log of the previous boot; independent of the controller's request."""

    token: str
    unit: str = ""
    """Name of a systemd unit; empty for all units."""
    lines: int = 100


class LogAnswer(Struct, frozen=True, gc=False):
    """The agent's answer to the log request with this token: the text, at most LOG_MOST characters, or why there is
    none."""

    token: str
    text: str = ""
    error: str = ""


class Machine(Struct, frozen=True, gc=False):
    """The Machine of one node; it has the node's name."""

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
    """Command line of the booted kernel, in one line, without secrets."""
    layered: tuple[str, ...] = ()
    """Packages that an operator has layered on the booted release."""
    etc: EtcChanges | None = None
    """None if the machine's system cannot compare /etc with its release, or no agent has reported it yet."""
    units: Units | None = None
    """None if the machine has no systemd, or no agent has reported its units yet."""
    live_patches: tuple[str, ...] = ()
    """Names of the live patches that the kernel runs, sorted; at most LIVE_PATCHES_MOST."""
    reported: bool = False
    """True if an agent has written the status at least once."""
    log_ask: LogAsk | None = None
    """A user's request for a log. Only the agent and the command that requests the log read `log_ask` and `log_told`;
    controllers and the inventory do not."""
    log_told: LogAnswer | None = None
    resource_version: str = ""

    def answer(self, token: str) -> Work | None:
        """Returns the agent's report about the request with this token; None while there is no report."""
        return self.work if self.work is not None and self.work.token == token else None
