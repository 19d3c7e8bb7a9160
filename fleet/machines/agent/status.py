"""The status that an agent writes to its Machine: its observations, without secrets, and within the length that the
API server accepts."""

from __future__ import annotations

from msgspec.structs import replace

from fleet.core.agent import bounded
from fleet.core.objects.machine import (
    ARGUMENTS_MOST,
    ETC_MOST,
    LAYERED_MOST,
    LIVE_PATCHES_MOST,
    MESSAGE_MOST,
    NAME_MOST,
    EtcChanges,
    Machine,
    Work,
)
from fleet.core.releases.release import Release
from fleet.machines import redaction
from fleet.machines.errors import MachineError
from fleet.machines.families.family import Observation


def described(machine: Machine, seen: Observation, work: Work | None) -> Machine:
    """Returns the Machine with a status of this observation and this work."""
    return replace(
        machine,
        work=replace(work, message=without_secrets(work.message, MESSAGE_MOST)) if work is not None else None,
        os=seen.os[:NAME_MOST],
        booted=_release(seen.booted),
        staged=_release(seen.staged),
        rollback=_release(seen.rollback),
        boot_id=seen.boot_id,
        kernel=seen.kernel[:NAME_MOST],
        kernel_arguments=without_secrets(seen.kernel_arguments, ARGUMENTS_MOST),
        layered=tuple(name[:NAME_MOST] for name in seen.layered[:LAYERED_MOST]),
        etc=_etc(seen.etc),
        units=bounded(seen.units),
        live_patches=tuple(sorted({name[:NAME_MOST] for name in seen.live_patches})[:LIVE_PATCHES_MOST]),
        reported=True,
    )


def identified(seen: Observation) -> Observation:
    """Returns the observation, checked. Raises MachineError for a boot id that is empty or too long: a shortened id
    could equal another boot's."""
    if not 0 < len(seen.boot_id) <= NAME_MOST:
        raise MachineError(f"the machine reports a boot id of {len(seen.boot_id)} characters")
    return seen


def without_secrets(text: str, most: int) -> str:
    """Returns the first `most` characters of the machine's text, without secrets."""
    return redaction.redact(text[: 2 * most])[:most]


def _etc(etc: EtcChanges | None) -> EtcChanges | None:
    """Returns the changes with paths that the schema accepts: a longer path counts, and is not shown."""
    if etc is None:
        return None
    lines = [redaction.redact(line) for line in etc.changed]
    kept = tuple(line for line in lines if len(line) <= NAME_MOST)[:ETC_MOST]
    return EtcChanges(kept, etc.more + len(etc.changed) - len(kept))


def _release(release: Release | None) -> Release | None:
    """Returns the release with its texts cut to NAME_MOST characters: a longer version or digest is no release's, cut
    or not."""
    if release is None:
        return None
    return replace(
        release,
        version=release.version[:NAME_MOST],
        digest=release.digest[:NAME_MOST],
        kernel=release.kernel[:NAME_MOST],
        reference_digest=release.reference_digest[:NAME_MOST],
    )
