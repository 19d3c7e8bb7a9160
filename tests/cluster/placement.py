"""Where drained pods land: the real scheduler's answer beside fleet's, for many puzzles side by side.

By hand, thousands: python -m tests.cluster.placement --puzzles 3000
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Thread
from typing import Any

from msgspec.structs import replace

from fleet.core.capacity.capacity import ClusterCapacity
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.cluster.view import ClusterView
from fleet.core.objects.pod import Pod
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.cluster import KubeCluster
from fleet.lab import Lab
from fleet.model.control_plane.scheduler import Scheduler
from fleet.model.objects import Objects
from tests.cluster.cleaning import Baseline
from tests.cluster.placement_cases import CASE, CLASSES, Puzzle, puzzle, replica_set
from tests.cluster.rest import Cluster, Json, Stream
from tests.cluster.world import WallClock

SECONDS = 300.0
WORKERS = 12
ROUNDS = 6
"""How often pods without a node are made anew, so that the scheduler judges them once all others have landed."""
TAINTED = "node.kubernetes.io/unschedulable"


@dataclass
class Verdict:
    """What came of one puzzle."""

    seed: int
    fleet: str
    """The pod that has no place, as fleet says before the drain; empty: all have one."""
    model: str
    """The same by the planner's scheduler, which places one after the other."""
    waiting: frozenset[str]
    """The ReplicaSets whose pods the real scheduler places nowhere."""
    agreed: bool
    """In the end fleet finds no place either for a pod that the real scheduler has found none for."""
    preempted: bool
    """An ordinary pod has made way, which fleet does not count on."""
    going: int

    @property
    def kind(self) -> str:
        if self.preempted:
            return "ordinary pods preempted"
        if not self.agreed:
            return "WRONG: fleet finds a place, the scheduler none"
        if bool(self.fleet) == bool(self.waiting):
            return "no place" if self.fleet else "a place for all"
        if self.going == 1:
            return "WRONG: of one pod, alone"
        # Both find places one after the other, in orders of their own.
        return "order: fleet no, scheduler yes" if self.fleet else "order: fleet yes, scheduler no"


@dataclass
class Seen:
    """The newest state of all pods and nodes, as the watches report it."""

    objects: dict[str, Json] = field(default_factory=dict)
    changed: Condition = field(default_factory=Condition)

    def follow(self, stream: Stream) -> None:
        for kind, found in stream.events():
            with self.changed:
                if kind == "SYNC":
                    self.objects = {each["metadata"]["uid"]: each for each in found}
                elif kind == "DELETED":
                    self.objects.pop(found["metadata"]["uid"], None)
                else:
                    self.objects[found["metadata"]["uid"]] = found
                self.changed.notify_all()

    def until(
        self, condition: Callable[[list[Json]], bool], arguments: Callable[[list[Json]], object]
    ) -> list[Json]:
        with self.changed:
            if not self.changed.wait_for(lambda: condition(list(self.objects.values())), SECONDS):
                raise AssertionError(f"after {SECONDS:.0f} s: {arguments(list(self.objects.values()))}")
            return list(self.objects.values())


def landings(lab: Lab, cluster: Cluster, seeds: Sequence[int]) -> list[Verdict]:
    """Builds the puzzles in the lab, drains a node of each, and compares."""
    puzzles = [puzzle(seed) for seed in seeds]
    with ExitStack() as stack, ThreadPoolExecutor(WORKERS) as pool:

        def watched(path: str) -> Seen:
            seen, stream = Seen(), cluster.stream(path)
            thread = Thread(target=seen.follow, args=(stream,), daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(stream.stop)
            return seen

        pods, nodes = watched("/api/v1/pods"), watched("/api/v1/nodes")
        claims, sets = watched("/api/v1/persistentvolumeclaims"), watched("/apis/apps/v1/replicasets")
        _build(cluster, puzzles, pool)
        _until_built(puzzles, nodes, claims, sets)
        snapshot = _read(lab)
        before = _asked(puzzles, snapshot)
        _each(pool, puzzles, lambda each: _drain(cluster, each))
        found = _until_judged(cluster, puzzles, pods, pool)
        return _compared(puzzles, before, found, _read(lab))


def _build(cluster: Cluster, puzzles: Sequence[Puzzle], pool: ThreadPoolExecutor) -> None:
    for name, (value, policy) in CLASSES.items():
        path = "/apis/scheduling.k8s.io/v1/priorityclasses"
        if cluster.find(f"{path}/{name}") is None:
            cluster.create(path, {"metadata": {"name": name}, "value": value, "preemptionPolicy": policy})

    def begin(each: Puzzle) -> None:
        cluster.create("/api/v1/namespaces", {"metadata": {"name": each.name}})
        account = {"metadata": {"name": "default", "namespace": each.name}}
        # The controller that makes it may be quicker.
        status, answer = cluster.call("POST", f"/api/v1/namespaces/{each.name}/serviceaccounts", account)
        assert status in (201, 409), answer
        for node in each.nodes:
            cluster.create("/api/v1/nodes", node)
        for volume in each.volumes:
            cluster.create("/api/v1/persistentvolumes", volume)
        for claim in each.claims:
            cluster.create(f"/api/v1/namespaces/{each.name}/persistentvolumeclaims", claim)
        for pod in each.standing:
            cluster.create(f"/api/v1/namespaces/{each.name}/pods", pod)
        for pod in each.going:
            bound = {**pod, "spec": {**pod["spec"], "nodeName": each.leaver}}
            cluster.create(f"/api/v1/namespaces/{each.name}/pods", bound)
            cluster.create(f"/apis/apps/v1/namespaces/{each.name}/replicasets", replica_set(pod))

    _each(pool, puzzles, begin)


def _until_built(puzzles: Sequence[Puzzle], nodes: Seen, claims: Seen, sets: Seen) -> None:
    names = {each.name for each in puzzles}

    def ready(node: Json) -> bool:
        conditions = node["status"].get("conditions", ())
        taints = node["spec"].get("taints", ())
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions) and not any(
            each["key"] == "node.kubernetes.io/not-ready" for each in taints
        )

    wanted = sum(len(each.nodes) for each in puzzles)
    nodes.until(
        lambda found: (
            sum(ready(each) for each in found if each["metadata"]["labels"].get(CASE) in names) == wanted
        ),
        lambda found: [each["metadata"]["name"] for each in found if not ready(each)][:5],
    )
    bound = sum(len(each.claims) for each in puzzles)
    claims.until(
        lambda found: sum(each["status"].get("phase") == "Bound" for each in _of(names, found)) == bound,
        lambda found: [each["metadata"]["name"] for each in found if each["status"].get("phase") != "Bound"][
            :5
        ],
    )
    going = sum(len(each.going) for each in puzzles)
    sets.until(
        lambda found: sum(each["status"].get("replicas") == 1 for each in _of(names, found)) == going,
        lambda found: [each["metadata"] for each in found if each["status"].get("replicas") != 1][:5],
    )


def _drain(cluster: Cluster, each: Puzzle) -> None:
    cluster.patch(f"/api/v1/nodes/{each.leaver}", {"spec": {"unschedulable": True}})
    for pod in each.going:
        path = f"/api/v1/namespaces/{each.name}/pods/{pod['metadata']['name']}/eviction"
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod["metadata"]["name"], "namespace": each.name},
            "deleteOptions": {"gracePeriodSeconds": 0},
        }
        status, answer = cluster.call("POST", path, body)
        assert status == 201, answer


def _until_judged(
    cluster: Cluster, puzzles: Sequence[Puzzle], pods: Seen, pool: ThreadPoolExecutor
) -> dict[str, list[Json]]:
    """Every pod that went has a successor, which is on a node, or for which there is none now that all others have
    landed: the scheduler says so of one that is made anew. By namespace."""
    names = {each.name: each for each in puzzles}
    landed: dict[str, int] = {}
    found: dict[str, list[Json]] = {}
    for _ in range(ROUNDS):

        def judged(all_pods: list[Json]) -> bool:
            here = _going(names, all_pods)
            return all(
                len(here[name]) == len(each.going) and all(map(_decided, here[name]))
                for name, each in names.items()
            )

        def undecided(all_pods: list[Json]) -> object:
            here = _going(names, all_pods)
            return [
                (name, [(pod["metadata"]["name"], pod["status"]) for pod in here[name] if not _decided(pod)])
                for name, each in names.items()
                if len(here[name]) != len(each.going) or not all(map(_decided, here[name]))
            ][:3]

        found = _going(names, pods.until(judged, undecided))
        again = []
        for name, there in found.items():
            count = sum(bool(pod["spec"].get("nodeName")) for pod in there)
            old = [pod for pod in there if pod["spec"].get("nodeName") == names[name].leaver]
            if old or (len(there) > 1 and count < len(there) and landed.get(name) != count):
                again += old or [pod for pod in there if not pod["spec"].get("nodeName")]
            landed[name] = count
        if not again:
            return found

        def remake(pod: Json) -> None:
            path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
            cluster.delete(path, gracePeriodSeconds=0)

        _each(pool, again, remake)
        gone = {pod["metadata"]["uid"] for pod in again}
        pods.until(
            lambda all_pods, gone=gone: not gone & {pod["metadata"]["uid"] for pod in all_pods},  # type: ignore[misc]
            lambda all_pods: "pods that were deleted are there still",
        )
    raise AssertionError(f"pods go on landing after {ROUNDS} rounds")


def _going(names: Iterable[str], pods: list[Json]) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {name: [] for name in names}
    for pod in pods:
        meta = pod["metadata"]
        if (
            meta["namespace"] in found
            and "replicas" in meta.get("labels", {})
            and not meta.get("deletionTimestamp")
        ):
            found[meta["namespace"]].append(pod)
    return found


def _decided(pod: Json) -> bool:
    if pod["spec"].get("nodeName"):
        return True
    if pod["status"].get("nominatedNodeName"):
        return False
    conditions = pod["status"].get("conditions", ())
    return any(each["type"] == "PodScheduled" and each["status"] == "False" for each in conditions)


def _of(names: set[str], found: list[Json]) -> Iterator[Json]:
    return (each for each in found if each["metadata"]["namespace"] in names)


def _each(pool: ThreadPoolExecutor, things_: Sequence[Any], do: Callable[[Any], None]) -> None:
    for _ in pool.map(do, things_):
        pass


def _read(lab: Lab) -> Snapshot:
    async def read() -> Snapshot:
        clock = WallClock()
        cluster = KubeCluster("east", CredentialSource(lab.kubeconfig), clock)
        try:
            return (await cluster.read("here", clock.now())).snapshot
        finally:
            await cluster.close()

    return asyncio.run(read())


def _room(snapshot: Snapshot) -> ClusterCapacity:
    view = ClusterView(snapshot.cluster)
    for thing in snapshot.objects():
        view.upsert(thing)
    return view.capacity


def _asked(puzzles: Sequence[Puzzle], snapshot: Snapshot) -> dict[int, tuple[str, str]]:
    """What fleet's guard and the planner's scheduler say before anything is done."""
    room = _room(snapshot)
    on: dict[str, list[Pod]] = {}
    for pod in snapshot.pods:
        on.setdefault(pod.node, []).append(pod)
    answers = {}
    for each in puzzles:
        going = sorted(on[each.leaver], key=lambda pod: pod.name)
        assert len(going) == len(each.going) and all(pod.owner for pod in going)
        lack = room.shortfall(each.leaver, going)
        answers[each.seed] = (lack.pod.name if lack else "", _modelled(each, going, snapshot))
    return answers


def _modelled(each: Puzzle, going: Sequence[Pod], snapshot: Snapshot) -> str:
    objects = Objects("east")
    mine = [replace(node, unschedulable=node.name == each.leaver) for node in snapshot.nodes]
    objects.load(
        [node for node in mine if node.labels.get(CASE) == each.name],
        [pod for pod in snapshot.pods if pod.namespace == each.name and pod.node != each.leaver],
        (),
        (),
        (),
        snapshot.volumes,
        snapshot.claims,
    )
    scheduler = Scheduler(objects)
    for pod in sorted(going, key=lambda pod: bool(pod.near)):
        fresh = replace(pod, node="", phase="Pending", ready=False)
        if name := scheduler.choose(fresh):
            objects.put_pod(fresh, node=name)
        elif not scheduler.victims(fresh):
            return pod.name
    return ""


def _compared(
    puzzles: Sequence[Puzzle],
    before: dict[int, tuple[str, str]],
    found: dict[str, list[Json]],
    after: Snapshot,
) -> list[Verdict]:
    room = _room(after)
    pods = {pod.uid: pod for pod in after.pods}
    left = Counter(
        pod.namespace for pod in after.pods if pod.priority >= 0 and not pod.owner and not pod.deleting
    )
    verdicts = []
    for each in puzzles:
        waiting = [pod for pod in found[each.name] if not pod["spec"].get("nodeName")]
        mine = [pods[pod["metadata"]["uid"]] for pod in waiting if pod["metadata"]["uid"] in pods]
        ordinary = sum(pod["spec"].get("priorityClassName") != "placeholder" for pod in each.standing)
        fleet, model = before[each.seed]
        verdicts.append(
            Verdict(
                each.seed,
                fleet,
                model,
                frozenset(pod["metadata"]["labels"]["replicas"] for pod in waiting),
                agreed=all(room.shortfall("", [pod]) is not None for pod in mine),
                preempted=left[each.name] < ordinary,
                going=len(each.going),
            )
        )
    return verdicts


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.placement", description=__doc__)
    parser.add_argument("--puzzles", type=int, default=3000)
    parser.add_argument("--first", type=int, default=1_000_000, help="seed of the first one")
    parser.add_argument("--at-once", type=int, default=150)
    chosen = parser.parse_args()
    reported: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab.up(Path(folder) / "lab", tied=True, progress=print)
        try:
            cluster = Cluster(lab.kubeconfig)
            baseline = Baseline.of(cluster, nodes=True)
            for first in range(chosen.first, chosen.first + chosen.puzzles, chosen.at_once):
                verdicts = landings(lab, cluster, range(first, first + chosen.at_once))
                for each in verdicts:
                    reported[each.kind] += 1
                    reported[
                        "model: "
                        + ("as the scheduler" if bool(each.model) == bool(each.waiting) else "otherwise")
                    ] += 1
                    if each.kind.startswith("WRONG"):
                        print(each)
                print(dict(reported), flush=True)
                clean_volumes(cluster)
                baseline.restore(cluster)
        finally:
            lab.down()
    wrong = sum(number for kind, number in reported.items() if kind.startswith("WRONG"))
    raise SystemExit(f"{wrong} answers are wrong" if wrong else 0)


def clean_volumes(cluster: Cluster) -> None:
    """Volumes, which no namespace takes with it, and their claims, at once: what protects them would wait for pods."""
    for path in ("/api/v1/persistentvolumeclaims", "/api/v1/persistentvolumes"):
        for each in cluster.get(path)["items"]:
            meta = each["metadata"]
            inside = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
            own = f"/api/v1{inside}/{path.rpartition('/')[2]}/{meta['name']}"
            cluster.delete(own)
            status, answer = cluster.call("PATCH", own, {"metadata": {"finalizers": None}})
            assert status in (200, 404), answer


if __name__ == "__main__":
    main()
