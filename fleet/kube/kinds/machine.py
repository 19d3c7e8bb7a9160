"""Decodes Machines: fleet's own objects, which carry requests to an agent and the agent's answers."""

from __future__ import annotations

from sys import intern
from typing import Literal, cast

import msgspec
from msgspec import field

from fleet.core.objects.machine import Ask, EtcChanges, LogAnswer, LogAsk, Machine, Request, Units, Work
from fleet.core.releases.release import Release
from fleet.kube.objects.wire import ApiStruct, Meta


class ReleaseWire(ApiStruct, frozen=True):
    version: str = ""
    digest: str = ""
    kernel: str = ""
    reference_digest: str = ""


class LogAskWire(ApiStruct, frozen=True):
    token: str = ""
    unit: str = ""
    lines: int = 0


class LogToldWire(ApiStruct, frozen=True):
    token: str = ""
    text: str = ""
    error: str = ""


class MachineSpec(ApiStruct, frozen=True):
    action: str = ""
    token: str = ""
    release: ReleaseWire | None = None
    log: LogAskWire | None = None


class UnitsWire(ApiStruct, frozen=True):
    state: str = ""
    failed: tuple[str, ...] | None = None


class WorkWire(ApiStruct, frozen=True):
    token: str = ""
    state: str = ""
    message: str = ""
    percent: int = 0
    boot_id: str = field(name="bootID", default="")
    earlier: tuple[str, ...] | None = None
    units: UnitsWire | None = None
    log: str = ""


class EtcWire(ApiStruct, frozen=True):
    changed: tuple[str, ...] | None = None
    more: int = 0


class MachineStatus(ApiStruct, frozen=True):
    os: str = ""
    boot_id: str = field(name="bootID", default="")
    kernel: str = ""
    kernel_arguments: str = ""
    layered: tuple[str, ...] | None = None
    etc: EtcWire | None = None
    live_patches: tuple[str, ...] | None = None
    units: UnitsWire | None = None
    booted: ReleaseWire | None = None
    staged: ReleaseWire | None = None
    rollback: ReleaseWire | None = None
    work: WorkWire | None = None
    log: LogToldWire | None = None


class MachineWire(ApiStruct, frozen=True):
    metadata: Meta = Meta()
    spec: MachineSpec | None = None
    status: MachineStatus | None = None


MACHINE = msgspec.json.Decoder(MachineWire)
"""Decodes one Machine."""


def machine_of(found: MachineWire) -> Machine:
    """Converts a Machine. A request or work that is not valid is left out."""
    meta, status = found.metadata, found.status or MachineStatus()
    return Machine(
        name=intern(meta.name),
        uid=meta.uid,
        request=_request(found.spec),
        work=_work(status.work),
        os=intern(status.os),
        booted=_release(status.booted),
        staged=_release(status.staged),
        rollback=_release(status.rollback),
        boot_id=status.boot_id,
        kernel=intern(status.kernel),
        kernel_arguments=intern(status.kernel_arguments),
        layered=tuple(intern(name) for name in status.layered or ()),
        etc=_etc(status.etc),
        units=_units(status.units),
        live_patches=tuple(intern(name) for name in status.live_patches or ()),
        reported=found.status is not None,
        resource_version=meta.resource_version,
    )


def log_ask(found: MachineWire) -> LogAsk | None:
    """Returns the log that a user asks of the agent; None: there is no such request."""
    ask = None if found.spec is None else found.spec.log
    return LogAsk(ask.token, ask.unit, ask.lines) if ask is not None and ask.token else None


def log_told(found: MachineWire) -> LogAnswer | None:
    """Returns the log with which the agent has answered; None: there is no answer."""
    log = None if found.status is None else found.status.log
    return LogAnswer(log.token, log.text, log.error) if log is not None else None


def _request(spec: MachineSpec | None) -> Request | None:
    if spec is None or spec.release is None or spec.action not in {str(ask) for ask in Ask}:
        return None
    release = _release(spec.release)
    return Request(Ask(spec.action), spec.token, release) if release is not None else None


def _work(found: WorkWire | None) -> Work | None:
    if found is None or found.state not in ("working", "done", "failed"):
        return None
    state = cast(Literal["working", "done", "failed"], found.state)
    return Work(
        found.token,
        state,
        found.message,
        found.percent,
        found.boot_id,
        found.earlier or (),
        _units(found.units),
        found.log,
    )


def _etc(found: EtcWire | None) -> EtcChanges | None:
    return None if found is None else EtcChanges(found.changed or (), found.more)


def _units(found: UnitsWire | None) -> Units | None:
    if found is None or not found.state:
        return None
    return Units(intern(found.state), tuple(intern(name) for name in found.failed or ()))


def _release(found: ReleaseWire | None) -> Release | None:
    if found is None or not (found.version or found.digest):
        return None
    return Release(
        intern(found.version),
        intern(found.digest),
        intern(found.kernel),
        reference_digest=intern(found.reference_digest),
    )
