"""Watches a cluster the whole time a rollout runs, and notes what must never happen.

Independent: it shares no code with `fleet` and works out for itself, from the specs of budgets and workloads,
how many ready pods there must be. Kinds are not ordered among each other, so each judgement rests on one
stream alone; where it needs another kind it reads that afresh and takes what is kinder to the accused.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.rest import Cluster, Json, Stream

POOL_LABEL = "fleet.internal/pool"
ZONE_LABEL = "topology.kubernetes.io/zone"
_SYNC_SECONDS = 120.0
_STREAMS = {
    "pods": "/api/v1/pods",
    "nodes": "/api/v1/nodes",
    "budgets": "/apis/policy/v1/poddisruptionbudgets",
    "deployments": "/apis/apps/v1/deployments",
    "statefulsets": "/apis/apps/v1/statefulsets",
}

Key = tuple[str, str]


@dataclass(frozen=True)
class NodeLimits:
    """How many nodes may be out (unschedulable or not Ready) at once. None: no limit."""

    total: int | None = None
    zone: int | None = None
    pool: int | None = None
    pools: Mapping[str, int] = field(default_factory=dict)
    """Limits of single pools, before `pool`."""


@dataclass
class Seen:
    """Counters of what happened, for a test's own questions and for its messages."""

    evictions: list[str] = field(default_factory=list)
    """namespace/name of each pod that the Eviction API removed, in order."""
    deletions: list[str] = field(default_factory=list)
    """namespace/name of each pod that was deleted in another way."""
    reboots: Counter[str] = field(default_factory=Counter)
    """Changes of the boot id, by node."""
    max_out: int = 0
    max_out_zone: Counter[str] = field(default_factory=Counter)
    max_out_pool: Counter[str] = field(default_factory=Counter)
    min_ready: dict[str, int] = field(default_factory=dict)
    """Fewest ready pods after the first time the budget was fulfilled, by budget (namespace/name)."""


class Observer:
    """Watches from `start` to `stop`; `violations` are sentences, `seen` are counters."""

    def __init__(
        self,
        kubeconfig: Path,
        limits: NodeLimits | None = None,
        *,
        foreign_cordons: tuple[str, ...] = (),
        reboots_per_node: int = 1,
        drained_before_reboot: bool = True,
        patience: float = 0.0,
    ) -> None:
        """`foreign_cordons` must stay unschedulable all the time; those nodes count in no limit. `patience`: as of
        `Cluster`."""
        self._cluster = Cluster(kubeconfig, patience)
        self._limits = limits or NodeLimits()
        self._foreign = frozenset(foreign_cordons)
        self._reboots_per_node = reboots_per_node
        self._drained_before_reboot = drained_before_reboot
        self._lock = threading.Lock()
        self._objects: dict[str, dict[Key, Json]] = {name: {} for name in _STREAMS}
        self._ready: dict[Key, int] = {}
        self._fulfilled: set[Key] = set()
        self._streams = {name: self._cluster.stream(path) for name, path in _STREAMS.items()}
        self._synced = {name: threading.Event() for name in _STREAMS}
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []
        self.violations: list[str] = []
        self.seen = Seen()

    def start(self) -> Observer:
        """Begins to watch and returns when everything has been listed once."""
        # Budgets and workloads first, so that pods are judged by them from the first moment on.
        for name in ("budgets", "deployments", "statefulsets", "nodes", "pods"):
            thread = threading.Thread(target=self._follow, args=(name, self._streams[name]), daemon=True)
            thread.start()
            self._threads.append(thread)
            synced = self._synced[name].wait(_SYNC_SECONDS)
            self._raise_errors()
            assert synced, f"the observer got no list of {name}"
        return self

    def stop(self) -> None:
        """Stops watching after everything that had happened before this call was seen."""
        for stream in self._streams.values():
            stream.stop()
        for thread in self._threads:
            thread.join(_SYNC_SECONDS)
            assert not thread.is_alive(), "the observer does not stop"
        self._raise_errors()

    def check(self) -> None:
        """Fails with every violation so far."""
        self._raise_errors()
        assert not self.violations, "the observer saw:\n  " + "\n  ".join(self.violations)

    @contextmanager
    def watching(self) -> Iterator[Observer]:
        """Starts, stops, and checks unless the test failed by itself."""
        self.start()
        try:
            yield self
        finally:
            self.stop()
        self.check()

    def _follow(self, name: str, stream: Stream) -> None:
        handle: Callable[[Json | None, Json | None], None] = {
            "pods": self._pod_changed,
            "nodes": self._node_changed,
        }.get(name, lambda _before, _after: None)
        try:
            for kind, found in stream.events():
                with self._lock:
                    for before, after in self._changes(name, kind, found):
                        handle(before, after)
                self._synced[name].set()
        except BaseException as error:
            self._errors.append(error)
            self._synced[name].set()

    def _changes(self, name: str, kind: str, found: Any) -> Iterator[tuple[Json | None, Json | None]]:
        """What an event changed, as (before, after); the objects kept are those after it."""
        known = self._objects[name]
        if kind == "SYNC":
            listed = {_key(item): item for item in found}
            gone = [(known.pop(key), None) for key in known.keys() - listed.keys()]
            # All at once: a list is one moment, and half of it applied is a moment that never was.
            before = {key: known.get(key) for key in listed}
            known.update(listed)
            yield from gone
            yield from ((before[key], item) for key, item in listed.items() if before[key] != item)
        elif kind == "DELETED":
            yield known.pop(_key(found), None), None
        else:
            before_one = known.get(_key(found))
            known[_key(found)] = found
            yield before_one, found

    def _pod_changed(self, before: Json | None, after: Json | None) -> None:
        pod = after or before
        if pod is None:
            return
        self._count_removal(before, after)
        for key, budget in self._objects["budgets"].items():
            if key[0] == pod["metadata"]["namespace"] and _selects(
                budget["spec"].get("selector"), _labels(pod)
            ):
                self._judge_budget(key, budget, pod)

    def _count_removal(self, before: Json | None, after: Json | None) -> None:
        was_leaving = before is not None and "deletionTimestamp" in before["metadata"]
        leaves = after is None or "deletionTimestamp" in after["metadata"]
        if before is None or was_leaving or not leaves:
            return
        conditions = (after or before).get("status", {}).get("conditions", [])
        evicted = any(
            c["type"] == "DisruptionTarget" and c["reason"] == "EvictionByEvictionAPI" for c in conditions
        )
        (self.seen.evictions if evicted else self.seen.deletions).append("/".join(_key(before)))

    def _judge_budget(self, key: Key, budget: Json, pod: Json) -> None:
        """A budget's pods may not become fewer than it requires; that they are still becoming more is fine."""
        selector = budget["spec"].get("selector")
        ready = sum(
            _is_ready(other)
            for other in self._objects["pods"].values()
            if other["metadata"]["namespace"] == key[0] and _selects(selector, _labels(other))
        )
        fewer = ready < self._ready.get(key, 0)
        self._ready[key] = ready
        required = _required(budget, self._expected(key[0], selector))
        if ready >= required:
            self._fulfilled.add(key)
        name = "/".join(key)
        if key in self._fulfilled:
            self.seen.min_ready[name] = min(ready, self.seen.min_ready.get(name, ready))
        if fewer and ready < required:
            kinder = min(required, self._required_now(key))
            if ready < kinder:
                self.violations.append(
                    f"budget {name} requires {kinder} ready pods and had {ready} when {'/'.join(_key(pod))} went"
                    f" (node {pod['spec'].get('nodeName')})"
                )

    def _expected(self, namespace: str, selector: Json | None) -> int:
        """Replicas of the workloads whose pods a budget selects."""
        return sum(
            workload["spec"].get("replicas", 1)
            for kind in ("deployments", "statefulsets")
            for key, workload in self._objects[kind].items()
            if key[0] == namespace
            and _selects(selector, workload["spec"]["template"]["metadata"].get("labels", {}))
        )

    def _required_now(self, key: Key) -> int:
        """What the budget requires by a fresh reading: it, or its workload, may have changed before the pods did."""
        namespace, name = key
        budget = self._cluster.find(f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/{name}")
        if budget is None:
            return 0
        selector = budget["spec"].get("selector")
        workloads = [
            workload
            for kind in ("deployments", "statefulsets")
            for workload in self._cluster.get(f"/apis/apps/v1/namespaces/{namespace}/{kind}")["items"]
        ]
        expected = sum(
            workload["spec"].get("replicas", 1)
            for workload in workloads
            if _selects(selector, workload["spec"]["template"]["metadata"].get("labels", {}))
        )
        return _required(budget, expected)

    def _node_changed(self, before: Json | None, after: Json | None) -> None:
        if after is not None:
            self._judge_cordon(before, after)
            self._judge_reboot(before, after)
        out = [node for node in self._objects["nodes"].values() if self._is_out(node)]
        limits = self._limits
        self.seen.max_out = max(self.seen.max_out, len(out))
        changed = after or before
        name = changed["metadata"]["name"] if changed else ""
        self._judge_limit("the cluster", len(out), limits.total, name)
        for label, seen in ((ZONE_LABEL, self.seen.max_out_zone), (POOL_LABEL, self.seen.max_out_pool)):
            for place, count in Counter(_labels(node).get(label, "") for node in out).items():
                seen[place] = max(seen[place], count)
                is_zone = label == ZONE_LABEL
                limit = limits.zone if is_zone else limits.pools.get(place, limits.pool)
                self._judge_limit(f"{'zone' if is_zone else 'pool'} {place}", count, limit, name)

    def _judge_limit(self, place: str, count: int, limit: int | None, name: str) -> None:
        arguments = f"more than {limit} nodes of {place} were out"
        if limit is not None and count > limit and not any(v.startswith(arguments) for v in self.violations):
            self.violations.append(f"{arguments}: {count} when {name} changed")

    def _judge_cordon(self, before: Json | None, after: Json) -> None:
        name = after["metadata"]["name"]
        was_cordoned = before is None or _is_cordoned(before)
        if name in self._foreign and was_cordoned and not _is_cordoned(after):
            self.violations.append(f"node {name} was cordoned by someone else and did not stay so")

    def _judge_reboot(self, before: Json | None, after: Json) -> None:
        if (
            before is None
            or before["metadata"]["uid"] != after["metadata"]["uid"]
            or _boot(before) == _boot(after)
        ):
            return
        name = after["metadata"]["name"]
        self.seen.reboots[name] += 1
        if self.seen.reboots[name] > self._reboots_per_node:
            self.violations.append(f"node {name} was rebooted {self.seen.reboots[name]} times")
        if not _is_cordoned(before) and not _is_cordoned(after):
            self.violations.append(f"node {name} was rebooted while it took pods")
        elif self._drained_before_reboot:
            self._judge_drained(name)

    def _judge_drained(self, name: str) -> None:
        """Nothing can come onto a cordoned node, so what is there now was there at the reboot."""
        left = [
            "/".join(_key(pod))
            for pod in self._cluster.get(f"/api/v1/pods?fieldSelector=spec.nodeName%3D{name}")["items"]
            if _must_be_drained(pod)
        ]
        if left and _is_cordoned(self._cluster.get(f"/api/v1/nodes/{name}")):
            self.violations.append(f"node {name} was rebooted with pods on it: {', '.join(left)}")

    def _is_out(self, node: Json) -> bool:
        if node["metadata"]["name"] in self._foreign:
            return False
        return _is_cordoned(node) or not _has_ready_condition(node)

    def _raise_errors(self) -> None:
        if self._errors:
            raise AssertionError("the observer itself failed") from self._errors[0]


def _required(budget: Json, expected: int) -> int:
    """Ready pods that a budget's spec asks for, of `expected`; percentages round up, as the API server does."""
    spec = budget["spec"]
    if "minAvailable" in spec:
        return _scaled(spec["minAvailable"], expected)
    return max(0, expected - _scaled(spec.get("maxUnavailable", 1), expected))


def _scaled(value: int | str, of: int) -> int:
    return value if isinstance(value, int) else math.ceil(int(value.removesuffix("%")) * of / 100)


def _selects(selector: Json | None, labels: Mapping[str, str]) -> bool:
    """A label selector as budgets have it: none selects nothing, an empty one everything."""
    if selector is None:
        return False
    equal = all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())
    return equal and all(_fulfils(term, labels) for term in selector.get("matchExpressions", []))


def _fulfils(term: Json, labels: Mapping[str, str]) -> bool:
    value = labels.get(term["key"])
    match term["operator"]:
        case "In":
            return value in term["values"]
        case "NotIn":
            return value not in term["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise AssertionError(f"unknown operator {term['operator']}")


def _key(found: Json) -> Key:
    return found["metadata"].get("namespace", ""), found["metadata"]["name"]


def _labels(found: Json) -> Mapping[str, str]:
    labels: Mapping[str, str] = found["metadata"].get("labels", {})
    return labels


def _is_ready(pod: Json) -> bool:
    return "deletionTimestamp" not in pod["metadata"] and _has_ready_condition(pod)


def _has_ready_condition(found: Json) -> bool:
    conditions = found.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _is_cordoned(node: Json) -> bool:
    return bool(node["spec"].get("unschedulable", False))


def _boot(node: Json) -> str:
    return str(node["status"]["nodeInfo"]["bootID"])


def _must_be_drained(pod: Json) -> bool:
    metadata = pod["metadata"]
    owned_by_node = any(
        owner["kind"] in ("DaemonSet", "Node") for owner in metadata.get("ownerReferences", [])
    )
    is_over = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return not (owned_by_node or is_over or "kubernetes.io/config.mirror" in metadata.get("annotations", {}))
