"""One good object of each kind that fleet reads, as an API server writes it, with every field that it looks at."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def meta(name: str, namespace: str = "", **more: object) -> Json:
    place = {"namespace": namespace} if namespace else {}
    return {"name": name, "uid": f"uid-{name}", "resourceVersion": "7", **place, **more}


def owner(kind: str, name: str) -> list[Json]:
    return [{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}]


NODE: Json = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": meta(
        "n-1",
        labels={"pool": "workers", "topology.kubernetes.io/zone": "a", "fleet.internal/site": "fra"},
        annotations={"fleet.internal/rollout": "r-1", "fleet.internal/cordoned-by": "r-1"},
    ),
    "spec": {
        "unschedulable": False,
        "taints": [{"key": "fleet.internal/pending", "effect": "PreferNoSchedule", "value": ""}],
    },
    "status": {
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}],
        "nodeInfo": {
            "bootID": "b-1",
            "machineID": "m-1",
            "osImage": "Some OS",
            "kernelVersion": "6.11.4",
            "kubeletVersion": "v1.36.3",
        },
        "allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110"},
    },
}
POD: Json = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": meta(
        "shop-1-a",
        "web",
        labels={"app": "shop"},
        ownerReferences=owner("ReplicaSet", "shop-1"),
        annotations={"kubernetes.io/config.mirror": "x"},
        finalizers=["a/b"],
        deletionTimestamp="2026-11-02T09:00:00Z",
        deletionGracePeriodSeconds=30,
    ),
    "spec": {
        "nodeName": "n-1",
        "terminationGracePeriodSeconds": 30,
        "volumes": [
            {"emptyDir": {"medium": "Memory"}},
            {"hostPath": {"path": "/x"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-1"}},
            {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
        ],
        "tolerations": [{"key": "a", "operator": "Exists", "value": "", "effect": "NoSchedule"}],
        "nodeSelector": {"disk": "ssd"},
        "overhead": {"cpu": "10m", "memory": "1Mi"},
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
        "initContainers": [
            {"name": "i", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}
        ],
        "containers": [{"name": "c", "resources": {"requests": {"cpu": "1.5", "memory": "1e9"}}}],
    },
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}
PLAIN_POD: Json = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": meta(
        "shop-1-b", "web", labels={"app": "shop"}, ownerReferences=owner("ReplicaSet", "shop-1")
    ),
    "spec": {"nodeName": "n-1", "containers": [{"name": "c"}]},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}
BUDGET: Json = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": meta("shop", "web", generation=1),
    "spec": {
        "selector": {
            "matchLabels": {"app": "shop"},
            "matchExpressions": [{"key": "app", "operator": "In", "values": ["shop"]}],
        },
        "minAvailable": "50%",
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    },
    "status": {
        "observedGeneration": 1,
        "disruptionsAllowed": 1,
        "currentHealthy": 2,
        "desiredHealthy": 1,
        "expectedPods": 2,
        "disruptedPods": {"shop-1-x": "2026-11-02T09:00:00Z"},
        "conditions": [
            {"type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods", "message": "x"}
        ],
    },
}
DEPLOYMENT: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": meta("shop", "web"),
    "spec": {"replicas": 2, "minReadySeconds": 5},
    "status": {"readyReplicas": 2},
}
REPLICA_SET: Json = {
    "apiVersion": "apps/v1",
    "kind": "ReplicaSet",
    "metadata": meta("shop-1", "web", ownerReferences=owner("Deployment", "shop")),
    "spec": {"replicas": 2},
    "status": {"readyReplicas": 2},
}
DAEMON_SET: Json = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": meta("net", "kube-system"),
    "spec": {
        "template": {
            "spec": {
                "hostNetwork": True,
                "nodeName": "n-1",
                "nodeSelector": {"kernel": "6.1"},
                "tolerations": [{"operator": "Exists"}],
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}
                            ]
                        }
                    }
                },
            }
        }
    },
    "status": {"desiredNumberScheduled": 1, "numberReady": 1},
}
JOB: Json = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": meta("once", "web"),
    "spec": {"parallelism": 1},
    "status": {"ready": 1},
}
RELEASE: Json = {
    "version": "44.20261015.3.0",
    "digest": "sha256:" + "a" * 64,
    "referenceDigest": "sha256:" + "1" * 64,
    "kernel": "6.11.4",
}
MACHINE: Json = {
    "apiVersion": "fleet.internal/v1",
    "kind": "Machine",
    "metadata": meta("n-1"),
    "spec": {"action": "stage", "token": "r-1/n-1/stage/0", "release": RELEASE},
    "status": {
        "os": "simulated",
        "booted": RELEASE,
        "staged": RELEASE,
        "rollback": RELEASE,
        "bootID": "b-1",
        "kernel": "6.11.4",
        "work": {
            "token": "r-1/n-1/stage/0",
            "state": "working",
            "message": "writing",
            "percent": 40,
            "bootID": "b-1",
            "earlier": [],
        },
    },
}
VOLUME: Json = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "metadata": meta("pv-1"),
    "spec": {"claimRef": {"namespace": "web", "name": "data-1"}},
}
ATTACHMENT: Json = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "VolumeAttachment",
    "metadata": meta("csi-1", deletionTimestamp="2026-01-01T00:00:00Z"),
    "spec": {"attacher": "ebs.csi.aws.com", "nodeName": "n-1", "source": {"persistentVolumeName": "pv-1"}},
    "status": {"attached": True, "detachError": {"message": "rpc error:\nDeadlineExceeded"}},
}
ALL: tuple[Json, ...] = (
    NODE,
    POD,
    PLAIN_POD,
    BUDGET,
    DEPLOYMENT,
    REPLICA_SET,
    DAEMON_SET,
    JOB,
    MACHINE,
    VOLUME,
    ATTACHMENT,
)
