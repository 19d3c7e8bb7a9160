"""Small made-up clusters with one question each: where do the pods of the node land that is drained?

Pure: a seed gives the same objects each time. Many of them fit into one real cluster side by side: each has a namespace,
nodes that no other's pods may use, and topology labels of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from tests.cluster.rest import Json

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
CASE = "puzzle.test/case"
APPS = ("a", "b", "c")
LEVEL = 5
"""Of every eleven puzzles, the one in which a pod's spread is level: one pod on each node."""
CLASSES: dict[str, tuple[int, str]] = {
    "placeholder": (-10, "PreemptLowerPriority"),
    "polite": (1000, "Never"),
}
"""PriorityClasses: value, preemptionPolicy."""
GI = 1 << 30


@dataclass
class Puzzle:
    seed: int
    nodes: list[Json] = field(default_factory=list)
    standing: list[Json] = field(default_factory=list)
    """Pods on other nodes."""
    going: list[Json] = field(default_factory=list)
    """Pods on the node that is drained; each has a ReplicaSet."""
    volumes: list[Json] = field(default_factory=list)
    claims: list[Json] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"p{self.seed}"

    @property
    def leaver(self) -> str:
        return f"{self.name}-n0"


def puzzle(seed: int) -> Puzzle:
    """Every third has several pods that go; the others one."""
    rng = Random(seed)
    made = Puzzle(seed)
    for index in range(rng.randint(3, 5)):
        made.nodes.append(_node(made, index, rng))
    names = [node["metadata"]["name"] for node in made.nodes]
    for index in range(rng.randint(2, 7)):
        pod = _pod(made, f"standing-{index}", rng, standing=True)
        pod["spec"]["nodeName"] = rng.choice(names[1:])
        made.standing.append(pod)
    for index in range(rng.randint(2, 3) if seed % 3 == 0 else 1):
        pod = _pod(made, f"going-{index}", rng, standing=False)
        # As the pods of one ReplicaSet are told from those of another.
        pod["metadata"]["labels"]["replicas"] = pod["metadata"]["name"]
        if rng.random() < 0.2:
            _with_volume(made, pod, rng)
        made.going.append(pod)
    if seed % 11 == LEVEL:
        _level(made, rng)
    return made


def _level(made: Puzzle, rng: Random) -> None:
    """Whether the drained node is still a domain, now an empty one, decides where its pod can go."""
    spread: Json = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"level": "yes"}},
    }
    if rng.random() < 0.7:
        spread["nodeTaintsPolicy"] = rng.choice(("Honor", "Ignore"))
    if rng.random() < 0.3:
        spread["minDomains"] = rng.randint(2, len(made.nodes))
    for index, node in enumerate(made.nodes[1:]):
        pod = _pod(made, f"level-{index}", rng, standing=True)
        pod["metadata"]["labels"]["level"] = "yes"
        pod["spec"] = {
            "nodeSelector": {CASE: made.name},
            "nodeName": node["metadata"]["name"],
            "containers": [{"name": "main", "image": "registry.invalid/main:1"}],
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "tolerations": [{"operator": "Exists"}],
        }
        made.standing.append(pod)
    going = made.going[0]
    going["metadata"]["labels"]["level"] = "yes"
    going["spec"]["topologySpreadConstraints"] = [spread]


def replica_set(pod: Json) -> Json:
    """One that adopts the pod, and makes another like it once it is gone."""
    meta, spec = pod["metadata"], {k: v for k, v in pod["spec"].items() if k != "nodeName"}
    selector = {"replicas": meta["name"]}
    template = {"metadata": {"labels": meta["labels"], "annotations": meta["annotations"]}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
        "spec": {"replicas": 1, "selector": {"matchLabels": selector}, "template": template},
    }


def _key(made: Puzzle, name: str) -> str:
    return f"{name}.puzzle.test/{made.name}"


def _node(made: Puzzle, index: int, rng: Random) -> Json:
    name = f"{made.name}-n{index}"
    labels = {CASE: made.name, "kubernetes.io/hostname": name, _key(made, "host"): name}
    if rng.random() < 0.9:
        labels[_key(made, "zone")] = rng.choice("xyz")
    if rng.random() < 0.8:
        labels[_key(made, "rack")] = rng.choice("12")
    if rng.random() < 0.5:
        labels["disk"] = rng.choice(("ssd", "hdd"))
    labels["cores"] = rng.choice(("4", "8", "08_1", "16"))
    taints = []
    if index and rng.random() < 0.2:
        taints.append({"key": "dedicated", "value": rng.choice("uv"), "effect": "NoSchedule"})
    if rng.random() < 0.1:
        taints.append({"key": "rather-not", "effect": "PreferNoSchedule"})
    whole = {
        "cpu": str(rng.randint(2, 8)),
        "memory": f"{rng.randint(4, 16)}Gi",
        "pods": str(rng.randint(2, 9)),
        "ephemeral-storage": f"{rng.choice((20, 50, 100))}Gi",
    }
    if rng.random() < 0.5:
        whole["example.com/gpu"] = str(rng.choice((0, 2, 4)))
    if rng.random() < 0.3:
        whole["hugepages-2Mi"] = "64Mi"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "spec": {"taints": taints},
        "status": {"capacity": whole, "allocatable": whole},
    }


def _pod(made: Puzzle, name: str, rng: Random, *, standing: bool) -> Json:
    spec: Json = {
        "nodeSelector": {CASE: made.name},
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "containers": _containers(rng, standing),
    }
    if rng.random() < 0.3:
        spec["tolerations"] = [rng.choice(_TOLERATIONS)]
    if rng.random() < 0.1:
        spec["nodeSelector"]["disk"] = "ssd"
    if affinity := _affinity(made, rng):
        spec["affinity"] = affinity
    if rng.random() < (0.1 if standing else 0.4):
        spec["topologySpreadConstraints"] = [_spread(made, rng) for _ in range(rng.randint(1, 2))]
        if len({each["topologyKey"] for each in spec["topologySpreadConstraints"]}) < 2:
            del spec["topologySpreadConstraints"][1:]
    if standing and rng.random() < 0.2:
        spec["priorityClassName"] = "placeholder"
    elif not standing and rng.random() < 0.2:
        spec["priorityClassName"] = "polite"
    if spec["containers"][0].get("initial"):
        spec["initContainers"] = [spec["containers"][0].pop("initial")]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": made.name,
            "labels": {"app": rng.choice(APPS), "tier": rng.choice(("one", "two"))},
            "annotations": {"lab.fleet.internal/delete-after-ms": "0"},
        },
        "spec": spec,
    }


_TOLERATIONS: tuple[Json, ...] = (
    {"key": "dedicated", "operator": "Equal", "value": "u", "effect": "NoSchedule"},
    {"key": "dedicated", "operator": "Exists"},
    {"operator": "Exists", "effect": "NoSchedule", "key": "dedicated"},
)


def _containers(rng: Random, standing: bool) -> list[Json]:
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    if rng.random() < 0.9:
        requests["cpu"] = rng.choice(("100m", "500m", "1", "1500m"))
    if rng.random() < 0.8:
        requests["memory"] = rng.choice(("128Mi", "1Gi", "3Gi"))
    if rng.random() < 0.3:
        requests["ephemeral-storage"] = rng.choice(("10Gi", "30Gi"))
    if rng.random() < 0.25:
        limits["example.com/gpu"] = rng.choice("12")
    if rng.random() < 0.1:
        limits |= {"hugepages-2Mi": "32Mi", "memory": "1Gi"}
        requests.pop("memory", None)
    found: Json = {
        "name": "main",
        "image": "registry.invalid/main:1",
        "resources": {"requests": requests, "limits": limits},
    }
    if rng.random() < 0.25:
        port = {
            "containerPort": 80,
            "hostPort": rng.choice((8080, 8081)),
            "protocol": rng.choice(("TCP", "UDP")),
        }
        if rng.random() < 0.5:
            port["hostIP"] = rng.choice(("10.0.0.1", "10.0.0.2"))
        found["ports"] = [port]
    if rng.random() < 0.2:
        found["initial"] = {
            "name": "first",
            "image": "registry.invalid/first:1",
            "resources": {"requests": {"cpu": rng.choice(("500m", "2"))}},
            **({"restartPolicy": "Always"} if rng.random() < 0.5 else {}),
        }
    return [found]


def _affinity(made: Puzzle, rng: Random) -> Json:
    found: Json = {}
    topologies = [_key(made, name) for name in ("host", "zone", "rack")]
    if rng.random() < 0.12:
        expressions = rng.choice(
            (
                {"key": _key(made, "zone"), "operator": "NotIn", "values": ["x"]},
                {"key": _key(made, "zone"), "operator": "In", "values": ["x", "y"]},
                {"key": "cores", "operator": "Gt", "values": ["4"]},
                {"key": "disk", "operator": "DoesNotExist"},
            )
        )
        terms: list[Json] = [{"matchExpressions": [expressions]}]
        if rng.random() < 0.3:
            names = {"key": "metadata.name", "operator": "In", "values": [f"{made.name}-n1"]}
            terms.append({"matchFields": [names]})
        found["nodeAffinity"] = {REQUIRED: {"nodeSelectorTerms": terms}}
    if rng.random() < 0.2:
        found["podAntiAffinity"] = {REQUIRED: [_term(made, rng, topologies)]}
    if rng.random() < 0.12:
        found["podAffinity"] = {
            REQUIRED: [_term(made, rng, topologies) for _ in range(rng.choice((1, 1, 2)))]
        }
    return found


def _term(made: Puzzle, rng: Random, topologies: list[str]) -> Json:
    term: Json = {"topologyKey": rng.choice(topologies), "labelSelector": _selector(rng)}
    chance = rng.random()
    if chance < 0.1:
        term["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": made.name}}
    elif chance < 0.2:
        term["namespaces"] = [made.name]
    elif chance < 0.3:
        term["matchLabelKeys"] = ["tier"]
    elif chance < 0.35:
        term["mismatchLabelKeys"] = ["tier"]
    return term


def _selector(rng: Random) -> Json:
    if rng.random() < 0.2:
        return {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": [rng.choice(APPS)]}]}
    return {"matchLabels": {"app": rng.choice(APPS)}}


def _spread(made: Puzzle, rng: Random) -> Json:
    found: Json = {
        "maxSkew": rng.randint(1, 2),
        "topologyKey": _key(made, rng.choice(("host", "zone", "rack"))),
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": rng.choice(({}, _selector(rng), _selector(rng), _selector(rng))),
    }
    if rng.random() < 0.4:
        found["minDomains"] = rng.randint(1, 4)
    if rng.random() < 0.4:
        found["nodeAffinityPolicy"] = rng.choice(("Honor", "Ignore"))
    if rng.random() < 0.4:
        found["nodeTaintsPolicy"] = rng.choice(("Honor", "Ignore"))
    if rng.random() < 0.2 and found["labelSelector"]:
        found["matchLabelKeys"] = ["tier"]
    return found


def _with_volume(made: Puzzle, pod: Json, rng: Random) -> None:
    """A volume that is on one node, in some zones, or anywhere; bound to a claim of the pod."""
    name = f"{made.name}-{pod['metadata']['name']}"
    spec: Json = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "claimRef": {"namespace": made.name, "name": "data-" + name},
        "hostPath": {"path": "/data"},
    }
    kind = rng.choice(("node", "zone", "anywhere"))
    if kind != "anywhere":
        key = "kubernetes.io/hostname" if kind == "node" else _key(made, "zone")
        values = [f"{made.name}-n{rng.randint(1, 2)}"] if kind == "node" else rng.sample("xyz", 2)
        terms = [{"matchExpressions": [{"key": key, "operator": "In", "values": values}]}]
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": terms}}
    made.volumes.append(
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
    )
    made.claims.append(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data-" + name, "namespace": made.name},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
                "storageClassName": "",
                "volumeName": name,
            },
        }
    )
    pod["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data-" + name}}]
