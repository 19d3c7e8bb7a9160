"""Writes a generated fleet as `kubectl get ... -o json` prints one, and a policy that upgrades the fleet. Every commit of
fleet can plan with both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bench.fleets import NEW, OLD, STAGED_AT_ONCE
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.budget import Budget
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Owner, Pod
from fleet.core.objects.workload import Workload
from fleet.simulated.shape import POOL_LABEL

Json = dict[str, Any]
POLICY = """\
streams:
  - name: stable
    releases:
      - {{version: "{old}", digest: "sha256:{one}"}}
      - {{version: "{new}", digest: "sha256:{two}"}}
pools:
  - name: workers
    selector: {{matchLabels: {{{label}: workers}}}}
    stream: stable
    soak: 0s
    stage: {{concurrency: {staged}}}
    limits: {{max_unavailable: {limit}}}
"""


def write_dump(path: Path, snapshot: Snapshot) -> None:
    """Writes the Nodes, pods, workloads and budgets of the fleet; Machines are what fleet assumes of Nodes without one."""
    items = [
        *map(_node, snapshot.nodes),
        *map(_pod, snapshot.pods),
        *map(_workload, snapshot.workloads),
        *map(_budget, snapshot.budgets),
    ]
    path.write_bytes(msgspec.json.encode({"kind": "List", "apiVersion": "v1", "items": items}))


def write_policy(home: Path, limit: int | None) -> None:
    """Writes the policy of `bench.fleets.policy` into a home, as a user writes one. `limit`: nodes unavailable; None: as
    many as budgets allow."""
    (home / "fleet.yaml").write_text(
        POLICY.format(
            old=OLD.version,
            one="1" * 64,
            new=NEW.version,
            two="2" * 64,
            label=POOL_LABEL,
            staged=STAGED_AT_ONCE,
            limit="100%" if limit is None else limit,
        )
    )


def _node(node: Node) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "uid": node.uid, "labels": dict(node.labels)},
        "status": {
            "allocatable": {"cpu": "16", "memory": "64Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {
                "bootID": node.boot_id,
                "kernelVersion": "6.1",
                "kubeletVersion": "v1.36.3",
                "osImage": f"Bench {OLD.version}",
            },
        },
    }


def _pod(pod: Pod) -> Json:
    container = {
        "name": "app",
        "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**_meta(pod.namespace, pod.name, pod.uid, pod.owner), "labels": dict(pod.labels)},
        "spec": {"nodeName": pod.node, "terminationGracePeriodSeconds": 30, "containers": [container]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "app", "ready": True}],
        },
    }


def _workload(workload: Workload) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": workload.kind,
        "metadata": _meta(workload.namespace, workload.name, workload.uid, workload.owner),
        "spec": {"replicas": workload.replicas},
        "status": {"readyReplicas": workload.ready},
    }


def _budget(budget: Budget) -> Json:
    selector = budget.selector.match_labels if budget.selector is not None else {}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {**_meta(budget.namespace, budget.name, budget.uid, None), "generation": 1},
        "spec": {"selector": {"matchLabels": dict(selector)}, **dict(_rule(budget))},
        "status": {
            "observedGeneration": 1,
            "disruptionsAllowed": budget.disruptions_allowed,
            "currentHealthy": budget.current_healthy,
            "desiredHealthy": budget.desired_healthy,
            "expectedPods": budget.expected_pods,
        },
    }


def _rule(budget: Budget) -> Iterator[tuple[str, int | str]]:
    if budget.max_unavailable is not None:
        yield "maxUnavailable", budget.max_unavailable
    if budget.min_available is not None:
        yield "minAvailable", budget.min_available


def _meta(namespace: str, name: str, uid: str, owner: Owner | None) -> Json:
    meta: Json = {"namespace": namespace, "name": name, "uid": uid}
    if owner is not None:
        controlled = {"kind": owner.kind, "name": owner.name, "uid": owner.uid, "controller": True}
        meta["ownerReferences"] = [controlled]
    return meta
