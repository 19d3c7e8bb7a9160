"""Finds what a drain would lose or cannot get rid of, before the drain begins. One note covers all affected pods of a
cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from fleet.core.cluster import owners
from fleet.core.cluster.view import ClusterView
from fleet.core.objects.pod import Pod
from fleet.core.policy.policy import DrainRule
from fleet.core.rollout.returning_pods import tolerates_cordons

NAMED = 3
"""The number of pods or workloads that a note names before it counts the rest."""


class LossNote(NamedTuple):
    """One kind of loss by a drain, for all pods that the loss affects."""

    check: str
    """`tolerates-cordon`, `unmanaged-lost`, `job-lost` or `local-data-lost`. docs/workloads.md describes each of
    them."""
    subject: str
    message: str
    remedy: str


def loss_notes(view: ClusterView, drained: Mapping[str, DrainRule]) -> tuple[LossNote, ...]:
    """Returns the notes about the pods that would be drained, ordered by check.

    `drained`: the nodes that are to be drained, each with the drain rule of its pool. The view already knows the rules
    for single pods.
    """
    pods_by_check: dict[str, list[tuple[str, str]]] = {}
    for node in drained:
        for pod in view.to_drain(node):
            if view.treatment(pod).do in ("evict", "ask") and not pod.deleting:
                for check in _checks(view, pod, drained[node]):
                    pods_by_check.setdefault(check, []).append(
                        (owners.controller_of(pod, view.workloads), str(pod.ref))
                    )
    return tuple(_note(check, pods) for check, pods in sorted(pods_by_check.items()))


def _checks(view: ClusterView, pod: Pod, rule: DrainRule) -> Iterator[str]:
    by_rule = view.treatment(pod).rule
    if tolerates_cordons(pod) and pod.owner is not None:
        yield "tolerates-cordon"
    if pod.owner is None and (by_rule or rule.unmanaged == "evict"):
        yield "unmanaged-lost"
    controller = view.workloads.get(pod.owner.uid) if pod.owner is not None else None
    if controller is not None and controller.fails_by_eviction:
        yield "job-lost"
    if pod.local_data and (by_rule or rule.local_data == "evict"):
        yield "local-data-lost"


def _note(check: str, pods: list[tuple[str, str]]) -> LossNote:
    workloads = list(dict.fromkeys(workload for workload, _ in pods))
    names = [name for _, name in pods]
    match check:
        case "tolerates-cordon":
            return LossNote(
                check,
                _listed(workloads),
                f"{_count(pods)} tolerate a cordon: the scheduler may put them back on the node that is drained; after a "
                "few evictions the run fails",
                "take the toleration of node.kubernetes.io/unschedulable:NoSchedule (or of everything) away, or leave "
                "them with a drain rule: skip",
            )
        case "unmanaged-lost":
            return LossNote(
                check,
                _listed(names),
                f"{_count(pods)} have no controller and are lost by their eviction",
                "give them a controller, or hold their nodes: drain.unmanaged: hold",
            )
        case "job-lost":
            return LossNote(
                check,
                _listed(workloads),
                f"{_count(pods)} belong to Jobs without a retry, which fail by the eviction",
                "let them end first: a drain rule with do: wait",
            )
    return LossNote(
        check,
        _listed(names),
        f"{_count(pods)} have local data (emptyDir), which their eviction deletes",
        "hold their nodes with drain.local_data: hold, or with a drain rule",
    )


def _count(pods: list[tuple[str, str]]) -> str:
    return (
        "1 pod of those that are evicted"
        if len(pods) == 1
        else f"{len(pods):,} pods of those that are evicted"
    )


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - NAMED:,} more" if len(listed) > NAMED else ""
    return f"{', '.join(listed[:NAMED])}{more}"
