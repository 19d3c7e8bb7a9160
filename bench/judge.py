"""Judges a plan by its JSON and the dump alone. It shares no code with the engine, the model or the planner, and reads what
any commit of fleet has printed.

A rule that is broken is a sentence; a plan that keeps all rules gives none.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

Json = dict[str, Any]
ORDER = ("stage", "cordon", "drain", "reboot", "verify", "uncordon", "soak")
SLOTTED = frozenset(ORDER[1:])
"""The steps in which a node is out of service."""


class Fleet(NamedTuple):
    """Holds what the judge has to know about the cluster, taken from the dump."""

    places: dict[str, str]
    """The node of each pod, by `namespace/name`."""
    nodes: frozenset[str]
    allowed: dict[str, int]
    """How many pods of each budget may be unavailable, by `namespace/name`."""
    budget_of: dict[str, str]
    """The budget of an app's pods, by `namespace/name` of the ReplicaSet or StatefulSet; "" for an app without one."""


def read_dump(path: Path) -> Fleet:
    """Reads a dump in which a budget selects the pods of one app by the label `app`."""
    kinds: dict[str, list[Json]] = defaultdict(list)
    for item in msgspec.json.decode(path.read_bytes())["items"]:
        kinds[item["kind"]].append(item)
    selected: dict[tuple[str, str], str] = {}
    allowed: dict[str, int] = {}
    for budget in kinds["PodDisruptionBudget"]:
        space, app = budget["metadata"]["namespace"], budget["spec"]["selector"]["matchLabels"]["app"]
        selected[space, app] = name = _full_name(budget)
        allowed[name] = budget["status"]["expectedPods"] - budget["status"]["desiredHealthy"]
    places = {_full_name(pod): pod["spec"]["nodeName"] for pod in kinds["Pod"]}
    budget_of = {
        f"{pod['metadata']['namespace']}/{pod['metadata']['ownerReferences'][0]['name']}": selected.get(
            (pod["metadata"]["namespace"], pod["metadata"]["labels"]["app"]), ""
        )
        for pod in kinds["Pod"]
    }
    return Fleet(places, frozenset(node["metadata"]["name"] for node in kinds["Node"]), allowed, budget_of)


def broken(plan: Json, fleet: Fleet, limit: int | None) -> list[str]:
    """Returns the rules that the plan breaks: every node is upgraded once, step after step; every pod of the dump is evicted
    once, from the node that it is on and while that node is drained; at most `limit` nodes are out of service; no budget has
    more pods unavailable than it allows; and no other node begins before the canaries have ended."""
    runs: list[Json] = plan["runs"]
    return [
        *_nodes(runs, fleet.nodes),
        *(text for run in runs for text in _steps(run)),
        *_pods(runs, fleet.places),
        *_limits(runs, limit),
        *_budgets(runs, fleet),
        *_canaries(runs),
    ]


def _nodes(runs: Iterable[Json], nodes: frozenset[str]) -> Iterator[str]:
    found = Counter(run["node"] for run in runs)
    yield from (f"{node} has {count} runs" for node, count in found.items() if count > 1)
    yield from (f"{node} has no run" for node in sorted(nodes - found.keys()))
    yield from (f"{node} is not in the dump" for node in sorted(found.keys() - nodes))


def _steps(run: Json) -> Iterator[str]:
    steps = run["steps"]
    names = tuple(step["step"] for step in steps)
    if names != ORDER:
        yield f"{run['node']} takes the steps {', '.join(names)}"
        return
    for before, after in pairwise(steps):
        waits = before["step"] == "stage"
        if after["start"] < before["end"] or (after["start"] > before["end"] and not waits):
            yield f"{run['node']}: {after['step']} starts at {after['start']}, {before['step']} ends at {before['end']}"
    drain = steps[2]
    for eviction in run["evictions"]:
        if not drain["start"] <= eviction["at"] <= drain["end"]:
            yield f"{eviction['pod']} is evicted at {eviction['at']}, outside the drain of {run['node']}"


def _pods(runs: Iterable[Json], places: dict[str, str]) -> Iterator[str]:
    evicted: Counter[str] = Counter()
    for run in runs:
        for eviction in run["evictions"]:
            pod = eviction["pod"]
            evicted[pod] += 1
            if places.get(pod, run["node"]) != run["node"]:
                yield f"{pod} is on {places[pod]}, and evicted from {run['node']}"
    yield from (f"{pod} stays on a node that reboots" for pod in places if not evicted[pod])
    # The name of a StatefulSet's pod comes again on another node.
    again = (pod for pod, count in evicted.items() if count > 1 and not pod.rpartition("-")[2].isdecimal())
    yield from (f"{pod} is evicted {evicted[pod]} times" for pod in again)


def _limits(runs: Iterable[Json], limit: int | None) -> Iterator[str]:
    if limit is None:
        return
    changes = []
    for run in runs:
        slot = [step for step in run["steps"] if step["step"] in SLOTTED]
        changes += [(slot[0]["start"], 1), (slot[-1]["end"], -1)] if slot else []
    most = _most(changes)
    if most > limit:
        yield f"{most} nodes are out of service at once, {limit} may be"


def _budgets(runs: Iterable[Json], fleet: Fleet) -> Iterator[str]:
    changes: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for run in runs:
        for eviction in run["evictions"]:
            budget = fleet.budget_of[_app(eviction["pod"], fleet)]
            if list(eviction["budgets"]) != ([budget] if budget else []):
                yield f"{eviction['pod']} counts for {eviction['budgets']}, expected {budget or 'no budget'}"
            if budget:
                end = eviction["ready_at"]
                changes[budget] += [(eviction["at"], 1), *([] if end is None else [(end, -1)])]
    for budget, found in changes.items():
        most = _most(found)
        if most > fleet.allowed[budget]:
            yield f"{most} pods of {budget} are unavailable at once, {fleet.allowed[budget]} may be"


def _app(pod: str, fleet: Fleet) -> str:
    """Returns the ReplicaSet or StatefulSet of a pod, with which the pod's name begins."""
    name = pod
    while name not in fleet.budget_of:
        name = name.rpartition("-")[0]
        if not name:
            raise KeyError(f"{pod}: no workload of the dump has such pods")
    return name


def _canaries(runs: Iterable[Json]) -> Iterator[str]:
    canaries = [run["end"] for run in runs if run["canary"]]
    for run in runs:
        if not run["canary"] and run["start"] < max(canaries, default=0.0):
            yield f"{run['node']} starts at {run['start']}, before the canaries have ended at {max(canaries)}"


def _most(changes: Iterable[tuple[float, int]]) -> int:
    """Returns the largest sum of the changes at any moment. What ends at a moment has ended before what begins then."""
    most = now = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


def _full_name(item: Json) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"
