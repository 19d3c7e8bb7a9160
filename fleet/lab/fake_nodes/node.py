"""A fake node of the lab: the hardware and the disk of its machine are stored on its Node object.

The deployments are an annotation (`lab.fleet.internal/disk`), so that they outlive the process that simulates the
machine. While the annotation `lab.fleet.internal/boot` exists the machine is down: it holds the id of the coming boot,
so that the boot id changes once, whichever process ends the reboot and however often.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

import msgspec
from msgspec import Struct

from fleet.core.objects.machine import Units
from fleet.core.releases.release import Release
from fleet.machines.errors import MachineError

NodePatch = Mapping[str, object]
"""A strategic merge patch of a Node's `status` and annotations, both through `nodes/status`."""
Content = TypeVar("Content")

OS_IMAGE = "Simulated OS "
"""The text before the version in `nodeInfo.osImage`."""

PREFIX = "lab.fleet.internal/"
DISK = PREFIX + "disk"
BOOT = PREFIX + "boot"
REBOOTING = PREFIX + "rebooting"
"""An annotation; while it is present, the lab's heartbeats leave the Ready condition unchanged."""
FAIL = PREFIX + "fail"
"""An annotation with the machine's fault: a FakeNodeFault, each time, or once with `:once` (not for faults that
last)."""
FAILED_UNITS = PREFIX + "failed-units"
"""An annotation with the names of failed units, separated by commas; any user may change it."""
LOG = PREFIX + "log"
"""An annotation with the log of the previous boot."""
STAGE_MS = PREFIX + "stage-ms"
REBOOT_MS = PREFIX + "reboot-ms"


class FakeNodeFault(StrEnum):
    STAGE_FAILS = "stage-fails"
    OLD_VERSION = "old-version"
    """The machine boots the old deployment again."""
    NEVER_BACK = "never-back"
    """The machine stays down until the annotation is removed; then it boots."""
    NOT_READY = "not-ready"
    """The machine boots the new deployment, but its kubelet is not Ready until the annotation is removed."""
    UNIT_FAILS = "unit-fails"
    """The machine boots the new deployment, and UNIT fails to start."""


UNIT = "app-gateway.service"


class FakeDisk(Struct, frozen=True, omit_defaults=True):
    """The deployments of a machine."""

    booted: Release
    staged: Release | None = None
    rollback: Release | None = None

    def after_boot(self, *, old_version: bool = False) -> FakeDisk:
        """Returns the disk after a boot; with `old_version` the staged deployment did not come up."""
        if self.staged is None:
            return self
        if old_version:
            return FakeDisk(self.booted, rollback=self.staged)
        return FakeDisk(self.staged, rollback=self.booted)


class FakeBoot(Struct, frozen=True):
    """A reboot in progress: its boot id, and when it is over."""

    boot_id: str
    due: datetime


class _Metadata(Struct, frozen=True, rename="camel"):
    name: str
    resource_version: str = ""
    annotations: dict[str, str] = {}


class _NodeInfo(Struct, frozen=True):
    boot_id: str = msgspec.field(name="bootID", default="")
    os_image: str = msgspec.field(name="osImage", default="")
    kernel: str = msgspec.field(name="kernelVersion", default="")


class _Status(Struct, frozen=True, rename="camel"):
    node_info: _NodeInfo = _NodeInfo()


class FakeNode(Struct, frozen=True):
    """The part of a Node object that holds a simulated machine. It is decoded from the object's JSON."""

    metadata: _Metadata
    status: _Status = _Status()

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.metadata.annotations

    @property
    def boot(self) -> FakeBoot | None:
        """Returns the reboot in progress; None while the machine is up."""
        text = self.annotations.get(BOOT)
        return None if text is None else _decoded(text, FakeBoot, self.name)

    @property
    def disk(self) -> FakeDisk:
        """Returns the disk of the machine. A machine on which nothing was ever staged has the release that its Node
        object shows."""
        text = self.annotations.get(DISK)
        if text is not None:
            return _decoded(text, FakeDisk, self.name)
        info = self.status.node_info
        return FakeDisk(Release(info.os_image.removeprefix(OS_IMAGE), kernel=info.kernel))

    @property
    def units(self) -> Units:
        names = self.annotations.get(FAILED_UNITS, "").split(",")
        failed = tuple(sorted(name.strip() for name in names if name.strip()))
        return Units("degraded" if failed else "running", failed)

    @property
    def fault(self) -> FakeNodeFault | None:
        """Returns the fault of the machine, if any. Raises MachineError for a text that is no FakeNodeFault."""
        fault = self.annotations.get(FAIL, "").partition(":")[0]
        try:
            return FakeNodeFault(fault) if fault else None
        except ValueError:
            names = ", ".join(FakeNodeFault)
            raise MachineError(f"{FAIL} of node {self.name} is {fault!r}; known are {names}") from None

    def fault_spent(self) -> dict[str, None]:
        """Returns the change of annotations that removes a fault of `:once`."""
        return {FAIL: None} if self.annotations.get(FAIL, "").endswith(":once") else {}

    def seconds(self, annotation: str, otherwise: float) -> float:
        """Returns the seconds of an annotation in milliseconds. Raises MachineError where the text is no number."""
        text = self.annotations.get(annotation)
        if text is None:
            return otherwise
        if not text.isdigit():
            raise MachineError(f"{annotation} of node {self.name} is {text!r}, not milliseconds")
        return int(text) / 1000


def going_down(node: FakeNode, boot: FakeBoot, at: datetime) -> NodePatch:
    """Returns the patch of a machine that goes down: its kubelet stops reporting."""
    annotations = {BOOT: _encoded(boot), REBOOTING: boot.boot_id}
    gone = {
        "type": "Ready",
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
        "lastTransitionTime": _text(at),
    }
    return _patch(node, annotations, {"conditions": [gone]})


def booted(node: FakeNode, boot: FakeBoot, at: datetime) -> NodePatch:
    """Returns the patch of a machine that is up again, in the state that results from its disk and its fault."""
    old_version = node.fault is FakeNodeFault.OLD_VERSION
    disk = node.disk.after_boot(old_version=old_version)
    not_ready, unit_fails = node.fault is FakeNodeFault.NOT_READY, node.fault is FakeNodeFault.UNIT_FAILS
    failed = sorted({*node.units.failed, UNIT}) if unit_fails else node.units.failed
    annotations = {
        DISK: _encoded(disk),
        BOOT: None,
        LOG: _log(node, old_version=old_version),
        FAILED_UNITS: ",".join(failed) or None,
        REBOOTING: str(FakeNodeFault.NOT_READY) if not_ready else None,
        **(node.fault_spent() if old_version or unit_fails else {}),
    }
    ready = {
        "type": "Ready",
        "status": "False" if not_ready else "True",
        "reason": "KubeletNotReady" if not_ready else "KubeletReady",
        "message": "container runtime network not ready" if not_ready else "kubelet is posting ready status",
        "lastHeartbeatTime": _text(at),
        "lastTransitionTime": _text(at),
    }
    info = {
        "bootID": boot.boot_id,
        "osImage": OS_IMAGE + disk.booted.version,
        "kernelVersion": disk.booted.kernel or node.status.node_info.kernel,
    }
    return _patch(node, annotations, {"conditions": [ready], "nodeInfo": info})


def _log(node: FakeNode, *, old_version: bool) -> str:
    """Returns the log of the boot that has ended: of the failed one, where the old deployment boots again."""
    if old_version and node.disk.staged is not None:
        return (
            f"(simulated) systemd[1]: {node.disk.staged.version} boots\n"
            f"(simulated) systemd[1]: Failed to start {UNIT}\n"
        )
    return f"(simulated) systemd[1]: {node.disk.booted.version} shuts down\n"


def ready_again(node: FakeNode) -> NodePatch | None:
    """Returns the patch that lets heartbeats make a NotReady node Ready, once its fault has been removed; None: no
    change."""
    if node.annotations.get(REBOOTING) != FakeNodeFault.NOT_READY or node.fault is FakeNodeFault.NOT_READY:
        return None
    return _patch(node, {REBOOTING: None}, {})


def written(node: FakeNode, disk: FakeDisk) -> NodePatch:
    """Returns the patch of a machine that has written deployments."""
    return _patch(node, {DISK: _encoded(disk)}, {})


def fault_spent(node: FakeNode) -> NodePatch | None:
    """Returns the patch that removes a fault of `:once` which has happened; None where the fault happens each time."""
    spent = node.fault_spent()
    return _patch(node, spent, {}) if spent else None


def _patch(node: FakeNode, annotations: Mapping[str, str | None], status: Mapping[str, object]) -> NodePatch:
    metadata = {"resourceVersion": node.metadata.resource_version, "annotations": annotations}
    return {"metadata": metadata, "status": status}


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _encoded(content: Struct) -> str:
    return msgspec.json.encode(content).decode()


def _decoded(text: str, kind: type[Content], node: str) -> Content:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise MachineError(
            f"node {node} has an annotation that no simulated machine wrote: {error}"
        ) from error
