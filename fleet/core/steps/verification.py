"""Verifies that a node has come back with its release, as healthy as before: a run succeeds only with this proof."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.machine import Machine, Work
from fleet.core.objects.node import Node
from fleet.core.releases.kernel import is_kernel
from fleet.core.releases.release import is_release
from fleet.core.rollout.run import Run
from fleet.core.steps import daemonsets

SHOWN = 5
"""The number of names in a message."""


def has_reported(machine: Machine | None, node: Node) -> bool:
    """Returns whether the agent has reported since the node's last boot."""
    return machine is not None and machine.boot_id == node.boot_id


def missing_proof(
    run: Run, node: Node, machine: Machine | None, view: ClusterView, now: datetime
) -> str | None:
    """Returns the part of the proof that is missing, as a message; None: nothing is missing."""
    if node.ready is not True:
        return node.why_unready or "kubelet not Ready"
    if machine is None or not has_reported(machine, node):
        return "its agent has not reported since the boot"
    if not is_release(machine.booted, run.release):
        return "another release is booted"
    if not is_kernel(node.kernel, run.release.kernel):
        return f"kernel {node.kernel} runs, {run.release.kernel} is the release's"
    if machine.units is not None and machine.units.starting:
        return "systemd is still starting (systemctl list-jobs on the machine shows what it waits for)"
    if machine.units is not None and not machine.units.known:
        return "systemd does not answer which units have failed (systemctl is-system-running on the machine)"
    if machine.units is not None and machine.units.state == "maintenance":
        return "systemd is in maintenance: the machine came up in rescue or emergency mode"
    if not_ready := daemonsets.not_ready(run, node, view):
        return f"DaemonSet pods are not Ready: {listed(not_ready)}"
    if unsucceeded := daemonsets.without_successor(run, node, view, now):
        return f"no longer wanted by DaemonSet {listed(unsucceeded)}: another may come for its new labels"
    return None


def newly_failed(work: Work | None, machine: Machine) -> tuple[str, ...]:
    """Returns the units that have failed since the reboot which `work` is about, and had not failed before it."""
    if machine.units is None:
        return ()
    before = work.units.failed if work is not None and work.units is not None else ()
    return tuple(name for name in machine.units.failed if name not in before)


def describe_failed(units: tuple[str, ...], work: Work | None, node: str) -> str:
    """Returns the message about units that have newly failed, with what to do."""
    compared = (
        "that had not before the reboot"
        if work is not None and work.units is not None and work.units.known
        else ("and what had failed before the reboot is not known")
    )
    verb = "has failed" if len(units) == 1 else "have failed"
    return (
        f"{listed(units)} {verb} {compared}: systemctl status {units[0]} on {node} shows why; "
        "fix it or the release, or go back with fleet rollout rollback"
    )


def proof(run: Run, node: Node, machine: Machine) -> dict[str, str]:
    """Returns the proof for the journal, once nothing is missing."""
    booted, units = machine.booted, machine.units
    shown = {
        "boot_id_before": run.boot_id,
        "boot_id_after": node.boot_id,
        "version": booted.version if booted is not None else "",
        "digest": booted.digest if booted is not None else "",
        "kernel": node.kernel,
        "ready": "True",
    }
    if booted is not None and booted.reference_digest:
        shown["reference_digest"] = booted.reference_digest
    if units is not None:
        shown["units"] = units.state
        if units.failed:
            shown["units"] += f", as before: {listed(units.failed)}"
    if run.daemons:
        shown["daemons"] = str(len(run.daemons))
    return shown


def listed(names: Iterable[str]) -> str:
    listed_names = list(names)
    more = f" and {len(listed_names) - SHOWN} more" if len(listed_names) > SHOWN else ""
    return f"{', '.join(listed_names[:SHOWN])}{more}"
