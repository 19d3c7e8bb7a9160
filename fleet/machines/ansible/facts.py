"""Reads the observation of a machine that the playbook `facts` passes to `set_stats` as `fleet_now`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from fleet.core.objects.machine import Units
from fleet.core.releases.release import Release
from fleet.core.text.untrusted import UnreadableError, convert
from fleet.machines.errors import MachineError
from fleet.machines.families.family import Observation
from fleet.machines.families.shared.ostree_etc import parse
from fleet.machines.families.shared.shell import STATE, live_patches_of


class _Release(Struct, frozen=True):
    version: str = ""
    digest: str = ""
    reference_digest: str = ""

    @property
    def known(self) -> Release | None:
        version, digest = self.version.strip(), self.digest.strip()
        if not (version or digest):
            return None
        return Release(version, digest, reference_digest=self.reference_digest.strip())


class _Now(Struct, frozen=True):
    """The fields of `fleet_now`, as `facts` sets them."""

    os: str
    boot_id: str
    kernel: str
    booted: _Release
    staged: _Release | None = None
    rollback: _Release | None = None
    kernel_arguments: str = ""
    layered: tuple[str, ...] = ()
    state: str = ""
    """The state that `systemctl is-system-running` prints; empty: systemd was not asked."""
    failed: tuple[str, ...] = ()
    live_patches: tuple[str, ...] = ()
    etc: tuple[str, ...] | None = None
    """The lines that `ostree admin config-diff` prints; None: /etc was not compared, or cannot be."""


def observation(facts: Mapping[str, Any]) -> Observation:
    """Returns the observation that `facts` has reported. Raises MachineError where it is missing, or cannot be parsed.
    Leading and trailing white space, as in a command's output, is ignored."""
    if "fleet_now" not in facts:
        raise MachineError(
            "the playbook facts has not set fleet_now by set_stats with per_host: false (docs/os-support.md)"
        )
    try:
        now = convert(facts["fleet_now"], _Now)
    except UnreadableError as error:
        raise MachineError(f"the result of the playbook facts is not understood: {error}") from None
    needed = {"os": now.os, "boot_id": now.boot_id, "kernel": now.kernel}
    if empty := [key for key, text in needed.items() if not text.strip()]:
        raise MachineError(f"the playbook facts reports an empty {', '.join(empty)}")
    booted = now.booted.known
    if booted is None:
        raise MachineError("the playbook facts reports neither version nor digest of the booted system")
    state = now.state.strip()
    if state and not STATE.fullmatch(state):
        raise MachineError(f"the playbook facts reports the systemd state {state!r}")
    return Observation(
        now.os.strip(),
        booted,
        now.boot_id.strip(),
        now.kernel.strip(),
        now.staged.known if now.staged else None,
        now.rollback.known if now.rollback else None,
        now.kernel_arguments.strip(),
        now.layered,
        Units(state, tuple(sorted(set(now.failed)))) if state else None,
        live_patches=live_patches_of(now.live_patches),
        etc=None if now.etc is None else parse("\n".join(now.etc)),
    )
