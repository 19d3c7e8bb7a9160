"""The agents of all machines: each sees a request, works on it once, and reports the result in its Machine."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from fleet.core.agent import ReportWork, StartWork, decide_work
from fleet.core.objects.machine import Ask, Machine, Request, Units, Work
from fleet.core.objects.node import Node
from fleet.core.releases import osimage
from fleet.core.releases.release import Release, distinct_name, is_release
from fleet.model.behaviour import ClusterBehaviour, Failure, Length, draw
from fleet.model.control_plane.kubelet import Kubelets
from fleet.model.event_queue import EventQueue
from fleet.model.objects import Objects

UNIT = "app-gateway.service"
"""The unit that fails where a machine is to boot with a failing unit."""
LOG = "(simulated) systemd[1]: Failed to start app-gateway.service\n"
"""The log of the boot that failed, where a machine boots its old release again."""


def last_boot(machine: Machine) -> str:
    """Returns the log of the previous boot in the form of a model; empty if the machine has not rebooted yet."""
    if machine.work is not None and machine.work.log:
        return machine.work.log
    return f"(simulated) systemd[1]: {machine.rollback.version} shuts down\n" if machine.rollback else ""


class ModelAgents:
    def __init__(self, objects: Objects, kubelets: Kubelets, timeline: EventQueue, rng: Random) -> None:
        self.behaviour = ClusterBehaviour()
        self._objects = objects
        self._kubelets = kubelets
        self._timeline = timeline
        self._rng = rng

    def begin(self) -> None:
        """Continues the work that a snapshot shows in progress: requests without an answer, or with interrupted work."""
        for machine in list(self._objects.machines.values()):
            machine = self._finish_interrupted(machine)
            request = machine.request
            if request is None:
                continue
            answer = machine.answer(request.token)
            if answer is None:
                self.requested(machine.name, request.token)
            elif answer.state == "working" and request.action is Ask.STAGE:
                self._stage(machine, request)
            elif answer.state == "working" and request.action is Ask.REBOOT:
                self._reboot(machine, request.token)

    def _finish_interrupted(self, machine: Machine) -> Machine:
        """Ends interrupted work whose machine has booted since, or that is no longer requested, as its agent would do before
        anything else. Returns the Machine."""
        work, request = machine.work, machine.request
        if work is None or work.state != "working":
            return machine
        rebooted = bool(work.boot_id and machine.boot_id and work.boot_id != machine.boot_id)
        requested = request.action if request is not None and request.token == work.token else None
        if requested is not None and not (rebooted and requested is Ask.REBOOT):
            return machine
        ended = replace(work, state="done", percent=100) if rebooted else replace(work, state="failed")
        self._report(machine, ended)
        return self._objects.machines[machine.name]

    def requested(self, name: str, token: str) -> None:
        """Queues that the agent sees a request a little after it was written."""
        self._later(self.behaviour.agent, name, "asked", name, token)

    def asked(self, name: str, token: str) -> None:
        """Makes the agent see its request, and begin the work if the request is new."""
        machine = self._objects.machines.get(name)
        request = machine.request if machine is not None else None
        if machine is None or request is None or request.token != token or name in self._kubelets.away:
            return
        last = machine.work
        if not machine.reported or (last is not None and (last.token == token or last.state == "working")):
            return
        match decide_work(request, last, machine):
            case ReportWork(work):
                self._report(machine, work)
            case StartWork(work=work):
                self._begin(machine, request, work)

    def _begin(self, machine: Machine, request: Request, work: Work) -> None:
        match request.action:
            case Ask.STAGE:
                self._report(machine, work)
                self._stage(machine, request)
            case Ask.REBOOT:
                self._report(machine, work)
                self._reboot(machine, request.token)
            case Ask.ROLLBACK:
                self._report(machine, replace(work, state="failed", message="rollback is not simulated"))

    def progress(self, name: str, token: str, percent: str) -> None:
        machine = self._objects.machines.get(name)
        if machine is not None and (work := machine.answer(token)) is not None and work.state == "working":
            self._report(machine, replace(work, percent=int(percent)))

    def staged(
        self,
        name: str,
        token: str,
        version: str,
        digest: str,
        kernel: str,
        kubelet: str,
        reference_digest: str = "",
    ) -> None:
        """Ends the writing of an image. `reference_digest` is missing in states that an earlier fleet saved."""
        machine = self._objects.machines.get(name)
        if machine is None or (work := machine.answer(token)) is None:
            return
        release = Release(version, digest, kernel, kubelet, reference_digest)
        if self.behaviour.failure(name, release) == "stage-fails":
            message = "cannot write the image: no space left on device"
            self._report(machine, replace(work, state="failed", message=message))
        else:
            self._report(machine, replace(work, state="done", percent=100), staged=release)

    def booted(self, name: str, token: str) -> None:
        """Brings the machine up again; its kubelet reports the new boot."""
        if name in self._kubelets.away:
            self._kubelets.register(name, _uuid(self._rng))
        node, machine = self._objects.nodes.get(name), self._objects.machines.get(name)
        if node is None or machine is None or name not in self._kubelets.away:
            return
        release = self._boots(machine)
        ready = self._failure(machine) != "not-ready"
        boot_id = _uuid(self._rng)
        self._objects.put_node(
            node,
            boot_id=boot_id,
            os_image=_os_image(node, machine, release),
            kernel=(release.kernel if release is not None else "") or node.kernel,
            kubelet=(release.kubelet if release is not None else "") or node.kubelet,
            ready=ready,
        )
        if ready:
            self._kubelets.up(name)
        else:
            self._kubelets.not_ready(name)
        self._later(self.behaviour.agent, name, "reported", name, token, boot_id)

    def reported(self, name: str, token: str, boot_id: str) -> None:
        """Starts the agent after a boot: it reports what it finds, and how its request ended."""
        machine = self._objects.machines.get(name)
        if machine is None:
            return
        release, work, request = self._boots(machine), machine.work, machine.request
        if work is not None and work.token == token:
            # Done is the reboot. Whether it brought the wanted release is for the controller to see.
            wanted = request.release if request is not None and request.token == token else None
            work = replace(
                work, state="done", message=f"booted {distinct_name(release, wanted)}", percent=100
            )
            if wanted is not None and not is_release(release, wanted):
                work = replace(work, log=LOG)
        changed = release != machine.booted
        self._report(
            machine,
            work,
            booted=release,
            staged=None,
            rollback=machine.booted if changed else machine.staged or machine.rollback,
            boot_id=boot_id,
            kernel=(release.kernel if release is not None else "") or machine.kernel,
            units=self._units(machine),
            reported=True,
        )
        if request is not None and request.token != token:
            self.requested(name, request.token)

    def _failure(self, machine: Machine) -> Failure | None:
        """Returns how the next boot of the machine fails."""
        return self.behaviour.failure(machine.name, machine.staged or machine.booted)

    def _boots(self, machine: Machine) -> Release | None:
        if self._failure(machine) == "old-version":
            return machine.booted
        return machine.staged or machine.booted

    def _units(self, machine: Machine) -> Units:
        """Returns the failed units: what had failed before the boot fails again."""
        failed = machine.units.failed if machine.units is not None else ()
        if machine.booted is not None and machine.booted.version in self.behaviour.defects:
            failed = tuple(unit for unit in failed if unit != UNIT)
        match self._failure(machine):
            case "stays-starting":
                return Units("starting", failed)
            case "unit-fails":
                return Units("degraded", tuple(sorted({*failed, UNIT})))
            case _:
                return Units("degraded" if failed else "running", failed)

    def _stage(self, machine: Machine, request: Request) -> None:
        name, release = machine.name, request.release
        length = draw(self.behaviour.stage, self._rng, name)
        reports = self.behaviour.stage_reports
        for number in range(1, reports + 1):
            share = number / (reports + 1)
            at = self._objects.now + length * share
            self._timeline.add(at, "progress", name, request.token, str(int(100 * share)))
        fields = (release.version, release.digest, release.kernel, release.kubelet, release.reference_digest)
        self._timeline.add(self._objects.now + length, "staged", name, request.token, *fields)

    def _reboot(self, machine: Machine, token: str) -> None:
        name = machine.name
        if name not in self._objects.nodes:
            return
        self._kubelets.down(name)
        if self._failure(machine) != "never-back":
            self._later(self.behaviour.reboot, name, "booted", name, token)

    def _report(self, machine: Machine, work: Work | None, **fields: object) -> None:
        self._objects.put_machine(machine, work=work, **fields)

    def _later(self, length: Length, name: str, kind: str, *arguments: str) -> None:
        delay = draw(length, self._rng, name)
        self._timeline.add(self._objects.now + delay, kind, *arguments)


def _uuid(rng: Random) -> str:
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _os_image(node: Node, machine: Machine, release: Release | None) -> str:
    """Returns the node's osImage. An OS that names its version keeps its own form."""
    if release is None:
        return node.os_image
    old = machine.booted.version if machine.booted is not None else ""
    return osimage.renamed(node.os_image, old, release.version) or f"Simulated OS {release.version}"
