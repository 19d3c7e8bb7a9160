"""Facts that the checker reads from the objects of a cluster, by its own rules: it shares no code with the engine."""

from __future__ import annotations

from math import ceil, floor
from typing import Any

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine
from fleet.core.objects.pod import Pod
from fleet.core.policy.policy import Amount, Policy


def machine_of(snapshot: Snapshot, name: str) -> Machine | None:
    """Returns the Machine of a node."""
    return next((machine for machine in snapshot.machines if machine.name == name), None)


def runs_release(machine: Machine | None, wanted: dict[str, Any]) -> bool:
    """Returns whether the machine has booted the release: by a digest that the two have in common, or by the version if one
    of them has no digest."""
    if machine is None or machine.booted is None:
        return False
    booted = {machine.booted.digest, machine.booted.reference_digest} - {""}
    of_release = {wanted["digest"], *(digest for _, digest in wanted.get("digests", ()))} - {""}
    return bool(booted & of_release) if booted and of_release else machine.booted.version == wanted["version"]


def failed_units(machine: Machine | None) -> frozenset[str]:
    """Returns the names of the failed systemd units that the machine reports."""
    return frozenset(machine.units.failed if machine is not None and machine.units is not None else ())


def stays(pod: Pod) -> bool:
    """Returns whether a drain leaves the pod because of its kind: static pods, and pods of DaemonSets."""
    return pod.mirror or (pod.owner is not None and pod.owner.kind in ("DaemonSet", "Node"))


def is_left(policy: Policy, pool: str, pod: Pod) -> bool:
    """Returns whether the pool's first drain rule for pods with such labels leaves the pod on its node, or the pod's own
    label does where there is no such rule."""
    rules = next(drain_pool.drain.rules for drain_pool in policy.pools if drain_pool.name == pool)
    for rule in rules:
        if any(term.selector.match_labels.items() <= pod.labels.items() for term in rule.pods):
            return rule.do == "skip"
    return pod.labels.get("cluster.x-k8s.io/drain") == "skip"


def volumes_of_pods(snapshot: Snapshot, node: str) -> set[str]:
    """Returns the names of the volumes that pods on the node use."""
    claims = {(pod.namespace, claim) for pod in snapshot.pods if pod.node == node for claim in pod.mounted}
    return {volume.name for volume in snapshot.volumes if volume.claim in claims}


def has_open_request(snapshot: Snapshot, name: str) -> bool:
    """Returns whether the Machine holds a request of fleet that its agent might still act upon."""
    machine = machine_of(snapshot, name)
    if machine is None or machine.request is None:
        return False
    work = machine.work
    return work is None or work.token != machine.request.token or work.state == "working"


def covers(budget: Budget, pod: Pod) -> bool:
    """Returns whether the budget's selector matches the pod."""
    terms = budget.selector.match_labels if budget.selector is not None else None
    return terms is not None and budget.namespace == pod.namespace and terms.items() <= pod.labels.items()


def healthy_needed(budget: Budget) -> int:
    """Returns how many healthy pods the budget asks for, by its spec and the pods that its controller expects."""
    expected = budget.expected_pods
    if budget.min_available is not None:
        return _share(budget.min_available, expected)
    return max(0, expected - _share(budget.max_unavailable or 0, expected))


def _share(amount: int | str, total: int) -> int:
    return ceil(total * int(amount.rstrip("%")) / 100) if isinstance(amount, str) else amount


def most_out(amount: Amount, members: int) -> int:
    """Returns how many nodes may be out of service at once. A percentage is rounded down, but allows at least one node."""
    if not amount.percent:
        return amount.number
    return max(floor(members * amount.number / 100), 1 if amount.number else 0)
