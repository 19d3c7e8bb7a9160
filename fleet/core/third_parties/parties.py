"""Others that delete, drain or reboot nodes: how each says so on a node, what it means, and what keeps each away.

One row a party. Keys and values are facts of the projects' sources; docs/workloads.md shows the same table. Where two
programs would act on one node, fleet waits: see `guards/others.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Literal, NamedTuple

from fleet.core.objects.node import CLAIMED_TAINT, INVENTORY_TAINT

MarkPlace = Literal["taint", "annotation", "label"]

PLAN_CONTROLLER = ("upgrade.cattle.io/controller", "system-upgrade-controller")
"""Label of the pods of the system-upgrade-controller, and of those of the Jobs that it makes of its Plans."""
KURED_LOCK = "weave.works/kured-node-lock"
"""Annotation of kured's DaemonSet: the nodes that kured drains and reboots now."""
FLUO = "flatcar-linux-update.v1.flatcar-linux.net/"
MCO = "machineconfiguration.openshift.io/"
NTH = "aws-node-termination-handler/"
CAST_AI_DRAINING = "autoscaling.cast.ai/draining"
HARVESTER = "harvesterhci.io/maintain-status"

UPGRADES_DRIVER = frozenset(
    {
        *("cordon-required", "wait-for-jobs-required", "pod-deletion-required", "drain-required"),
        *("node-maintenance-required", "post-maintenance-required", "pod-restart-required"),
        *("validation-required", "uncordon-required"),
    }
)
"""States of the GPU Operator's driver upgrade in which a node is in work. One that is queued (`upgrade-required`) is not."""


class Does(StrEnum):
    DELETES = "deletes"
    """The node will be gone. fleet does nothing there."""
    WORKS = "works"
    """The party drains, reboots or sets up the node, or is about to. fleet waits until it has finished."""
    MAY_DELETE = "may-delete"
    """The party may delete the node later. It is worked on, and is no canary where another node can be."""


class Sign(NamedTuple):
    """A taint, an annotation or a label of a Node that says what a party does with it."""

    place: MarkPlace
    key: str
    does: Does
    message: str
    """`{value}`: the sign's own value."""
    only: frozenset[str] = frozenset()
    """The values that mean it. Empty: any value that is not in `never`."""
    never: frozenset[str] = frozenset({"false"})
    unlike: str = ""
    """Another annotation: the sign counts only while that one has another value."""
    stays: bool = False
    """It does not pass by itself: an operator has to act."""
    remedy: str = ""
    """Instead of the party's."""


class ObjectSign(NamedTuple):
    """A kind of object, each about one node."""

    kind: str
    resource: str
    """As kubectl takes it: `nodemaintenances.medik8s.io`."""
    message: str
    idle: frozenset[str] = frozenset()
    """Phases in which the party does nothing with the node."""
    stays: frozenset[str] = frozenset()
    """Phases that do not pass by themselves; `*` is every phase."""


class Program(NamedTuple):
    """A party's pods, by which a cluster is seen to run it (`rebooters.py`)."""

    owner: str
    """Kind of what controls its own pods."""
    names: frozenset[str]
    """Of a DaemonSet."""
    labels: frozenset[tuple[str, str]]
    """Any one of them on its pods is enough."""
    does: str
    nowhere: str
    """What to say of it while it is at work on no node."""
    remedy: str


class Party(NamedTuple):
    name: str
    remedy: str
    """What helps while it holds a node. `{node}`, `{object}` and `{value}` are filled in."""
    signs: tuple[Sign, ...] = ()
    objects: tuple[ObjectSign, ...] = ()
    keep_off: str = ""
    """Annotation that keeps it off a node while its value is `true`."""
    program: Program | None = None


WAIT_FOR_DELETION = "nothing to do: when the node is gone, its run is cancelled"
WAIT = "nothing to do: fleet goes on when it has finished"

PARTIES: tuple[Party, ...] = (
    Party(
        "cluster-autoscaler",
        f"{WAIT_FOR_DELETION}; if the node stays, ask the autoscaler's log why it is not deleted",
        signs=(
            Sign(
                "taint", "ToBeDeletedByClusterAutoscaler", Does.DELETES, "the cluster autoscaler deletes it"
            ),
            Sign(
                "taint",
                "DeletionCandidateOfClusterAutoscaler",
                Does.MAY_DELETE,
                "the cluster autoscaler may delete it",
            ),
        ),
        keep_off="cluster-autoscaler.kubernetes.io/scale-down-disabled",
    ),
    Party(
        "Karpenter",
        f"{WAIT_FOR_DELETION}; if the node stays, its NodeClaim says why",
        signs=(
            Sign("taint", "karpenter.sh/disrupted", Does.DELETES, "Karpenter disrupts it"),
            Sign("taint", "karpenter.sh/disruption", Does.DELETES, "Karpenter disrupts it"),
            Sign("taint", "karpenter.sh/rebooting", Does.WORKS, "Karpenter reboots it", remedy=WAIT),
            Sign(
                "taint",
                "karpenter.sh/unregistered",
                Does.WORKS,
                "Karpenter has not set it up yet",
                remedy=WAIT,
            ),
        ),
        keep_off="karpenter.sh/do-not-disrupt",
    ),
    Party(
        "Cluster API",
        WAIT,
        signs=(
            Sign(
                "taint",
                "node.cluster.x-k8s.io/uninitialized",
                Does.WORKS,
                "Cluster API has not set it up yet",
            ),
            Sign(
                "taint",
                "node.cluster.x-k8s.io/outdated-revision",
                Does.MAY_DELETE,
                "Cluster API replaces nodes of its revision",
            ),
        ),
    ),
    Party(
        "maintenance-operator",
        "finish the maintenance, or delete {object}",
        objects=(
            ObjectSign(
                "NodeMaintenance",
                "nodemaintenances.maintenance.nvidia.com",
                "maintenance-operator works on it",
                stays=frozenset({"RequestorFailed"}),
            ),
        ),
    ),
    Party(
        "node-maintenance-operator",
        "finish the maintenance, then delete {object}",
        signs=(
            Sign(
                "taint",
                "medik8s.io/drain",
                Does.WORKS,
                "node-maintenance-operator keeps it in maintenance",
                stays=True,
                remedy="finish the maintenance, then delete its NodeMaintenance: kubectl get "
                "nodemaintenances.nodemaintenance.medik8s.io",
            ),
        ),
        objects=(
            ObjectSign(
                "NodeMaintenance",
                "nodemaintenances.nodemaintenance.medik8s.io",
                "node-maintenance-operator keeps it in maintenance",
                stays=frozenset({"*"}),
            ),
        ),
    ),
    Party(
        "Machine Config Operator",
        "wait until it has finished; if it does not get on: oc get machineconfigpools",
        signs=(
            Sign(
                "annotation",
                f"{MCO}state",
                Does.WORKS,
                "the Machine Config Operator changes it",
                only=frozenset({"Working"}),
            ),
            Sign(
                "annotation",
                f"{MCO}state",
                Does.WORKS,
                "the Machine Config Operator could not change it ({value})",
                only=frozenset({"Degraded", "Unreconcilable"}),
                stays=True,
                remedy=f"the annotation {MCO}reason of {{node}} says why; oc get machineconfigpools",
            ),
            Sign(
                "annotation",
                f"{MCO}desiredDrain",
                Does.WORKS,
                "the Machine Config Operator is about to drain it, or to give it back",
                unlike=f"{MCO}lastAppliedDrain",
            ),
            Sign(
                "annotation",
                f"{MCO}desiredConfig",
                Does.WORKS,
                "the Machine Config Operator is about to change it",
                unlike=f"{MCO}currentConfig",
            ),
        ),
        objects=(
            ObjectSign(
                "MachineConfigNode",
                "machineconfignodes.machineconfiguration.openshift.io",
                "the Machine Config Operator changes it",
                idle=frozenset({"", "Updated"}),
            ),
        ),
    ),
    Party(
        "kured",
        "wait until it has rebooted the node; {object}",
        signs=(Sign("annotation", "weave.works/kured-reboot-in-progress", Does.WORKS, "kured reboots it"),),
        program=Program(
            "DaemonSet",
            frozenset({"kured"}),
            frozenset({("app.kubernetes.io/name", "kured"), ("name", "kured"), ("app", "kured")}),
            "reboots nodes by itself: {workloads}, on {nodes}",
            "reboots nodes by itself: {workloads}, on none now",
            "keep it off the nodes of fleet's pools, by a nodeSelector of its own, or delete it",
        ),
    ),
    Party(
        "Flatcar's update operator",
        "wait until it has rebooted the node",
        signs=(
            *(
                Sign(
                    "annotation",
                    f"{FLUO}{name}",
                    Does.WORKS,
                    "Flatcar's update operator reboots it",
                    only=frozenset({"true"}),
                )
                for name in ("agent-made-unschedulable", "reboot-ok", "reboot-in-progress")
            ),
            *(
                Sign(
                    "label",
                    f"{FLUO}{name}-reboot",
                    Does.WORKS,
                    f"Flatcar's update operator waits for the checks {name} its reboot",
                    only=frozenset({"true"}),
                )
                for name in ("before", "after")
            ),
        ),
        keep_off=f"{FLUO}reboot-paused",
        program=Program(
            "DaemonSet",
            frozenset({"flatcar-linux-update-agent"}),
            frozenset({("app", "flatcar-linux-update-agent")}),
            "reboots nodes by itself: {workloads}, on {nodes}",
            "reboots nodes by itself: {workloads}, on none now",
            "keep its agent off the nodes of fleet's pools, by a nodeSelector of its own, or delete operator and agent",
        ),
    ),
    Party(
        "system-upgrade-controller",
        "wait until its Job has ended: kubectl get plans.upgrade.cattle.io -A",
        program=Program(
            "ReplicaSet",
            frozenset(),
            frozenset({PLAN_CONTROLLER, ("app.kubernetes.io/name", "system-upgrade-controller")}),
            "is at work on {nodes} by its Plans: {workloads}",
            "may drain and reboot the nodes that its Plans select, which fleet does not read: {workloads}",
            "see that no Plan of it touches the nodes of fleet's pools: kubectl get plans.upgrade.cattle.io -A",
        ),
    ),
    Party(
        "aws-node-termination-handler",
        WAIT_FOR_DELETION,
        signs=(
            Sign("taint", f"{NTH}spot-itn", Does.DELETES, "AWS takes the spot instance back"),
            Sign(
                "taint", f"{NTH}asg-lifecycle-termination", Does.DELETES, "its Auto Scaling group deletes it"
            ),
            Sign(
                "taint",
                f"{NTH}scheduled-maintenance",
                Does.WORKS,
                "AWS has scheduled maintenance of it",
                remedy="wait for the maintenance",
            ),
            Sign(
                "taint",
                f"{NTH}rebalance-recommendation",
                Does.MAY_DELETE,
                "AWS may take the spot instance back",
            ),
        ),
    ),
    Party(
        "Google Kubernetes Engine",
        f"{WAIT_FOR_DELETION}, or fleet goes on when the node is back",
        signs=(
            Sign("taint", "cloud.google.com/impending-node-termination", Does.DELETES, "GKE stops it"),
            Sign(
                "label",
                "cloud.google.com/active-node-maintenance",
                Does.WORKS,
                "GKE maintains its host",
                only=frozenset({"ONGOING"}),
                remedy="wait for the maintenance",
            ),
        ),
    ),
    Party(
        "Azure Kubernetes Service",
        "its upgrade could not drain the node; mend that and take the label away, or delete the node",
        signs=(
            Sign(
                "label",
                "kubernetes.azure.com/upgrade-status",
                Does.WORKS,
                "AKS has put it in quarantine",
                only=frozenset({"Quarantined"}),
                stays=True,
            ),
            *(
                Sign(
                    "taint",
                    f"remediator.{domain}/unschedulable",
                    Does.WORKS,
                    "AKS repairs it, or drains it for an event of its host",
                    remedy=WAIT,
                )
                for domain in ("kubernetes.azure.com", "aks.microsoft.com")
            ),
        ),
    ),
    Party(
        "CAST AI",
        WAIT_FOR_DELETION,
        signs=(
            Sign("taint", CAST_AI_DRAINING, Does.DELETES, "CAST AI drains it and deletes it"),
            Sign(
                "label",
                CAST_AI_DRAINING,
                Does.DELETES,
                "CAST AI drains it and deletes it ({value})",
                never=frozenset({"", "false"}),
            ),
        ),
        keep_off="autoscaling.cast.ai/removal-disabled",
    ),
    Party(
        "Gardener",
        f"{WAIT_FOR_DELETION}; if the node stays, its Machine in the seed says why",
        signs=(
            Sign(
                "annotation",
                "node.machine.sapcloud.io/trigger-deletion-by-mcm",
                Does.DELETES,
                "its machine-controller-manager is told to delete it",
                only=frozenset({"true"}),
            ),
        ),
    ),
    Party(
        "Harvester",
        WAIT,
        signs=(
            Sign(
                "annotation",
                HARVESTER,
                Does.WORKS,
                "Harvester puts it into maintenance",
                only=frozenset({"running"}),
            ),
            Sign(
                "annotation",
                HARVESTER,
                Does.WORKS,
                "Harvester keeps it in maintenance",
                only=frozenset({"completed"}),
                stays=True,
                remedy="when the maintenance is done, disable it for the host in Harvester",
            ),
        ),
    ),
    Party(
        "KubeVirt",
        "when its machines have moved and the work is done: kubectl taint nodes {node} kubevirt.io/drain-",
        signs=(
            Sign(
                "taint",
                "kubevirt.io/drain",
                Does.WORKS,
                "somebody moves its virtual machines away",
                stays=True,
            ),
        ),
    ),
    Party(
        "medik8s' remediation",
        "wait until it has rebooted the node; if that does not end, its remediation objects say why",
        signs=tuple(
            Sign("taint", key, Does.WORKS, "medik8s reboots it, since it was not healthy")
            for key in (
                "medik8s.io/remediation",
                "medik8s.io/fence-agents-remediation",
                "remediation.medik8s.io/fence-agents-remediation",
            )
        ),
    ),
    Party(
        "NVIDIA GPU Operator",
        "wait until its driver upgrade has ended on the node",
        signs=tuple(
            sign
            for driver in ("gpu", "vgpu")
            for sign in (
                Sign(
                    "label",
                    f"nvidia.com/{driver}-driver-upgrade-state",
                    Does.WORKS,
                    "the GPU Operator upgrades its driver: {value}",
                    only=UPGRADES_DRIVER,
                ),
                Sign(
                    "label",
                    f"nvidia.com/{driver}-driver-upgrade-state",
                    Does.WORKS,
                    "the GPU Operator could not upgrade its driver",
                    only=frozenset({"upgrade-failed"}),
                    stays=True,
                    remedy="mend what its driver pod says; the label then goes on to upgrade-done",
                ),
            )
        ),
    ),
    Party(
        "Kubernetes",
        WAIT,
        signs=(
            Sign(
                "taint",
                "node.cloudprovider.kubernetes.io/uninitialized",
                Does.WORKS,
                "its cloud's controller has not set it up yet",
            ),
            Sign(
                "taint",
                "node.cloudprovider.kubernetes.io/shutdown",
                Does.WORKS,
                "its machine is shut down",
                remedy="start the machine, or delete it",
                stays=True,
            ),
            Sign(
                "taint",
                "node.kubernetes.io/out-of-service",
                Does.WORKS,
                "somebody has declared it out of service",
                remedy="when it is repaired: kubectl taint nodes {node} node.kubernetes.io/out-of-service-",
                stays=True,
            ),
        ),
    ),
    Party(
        "another fleet",
        "stop it there, then: fleet cluster claim",
        signs=(Sign("taint", CLAIMED_TAINT, Does.WORKS, "{value}", stays=True),),
    ),
    Party(
        "the inventory of hosts",
        "take `cordoned: true` out of the inventory when it may take part",
        signs=(Sign("taint", INVENTORY_TAINT, Does.WORKS, "its inventory says so", stays=True),),
    ),
)
BY_NAME: Mapping[str, Party] = {party.name: party for party in PARTIES}

KEEP_OFF: tuple[str, ...] = tuple(party.keep_off for party in PARTIES if party.keep_off)
"""Annotations that a node in work carries, each with the value `true`."""


def _signs() -> Iterator[tuple[Party, Sign]]:
    for party in PARTIES:
        for sign in party.signs:
            yield party, sign


SIGNS: Mapping[tuple[MarkPlace, str], tuple[tuple[Party, Sign], ...]] = {
    place_and_key: tuple((party, sign) for party, sign in _signs() if (sign.place, sign.key) == place_and_key)
    for place_and_key in {(sign.place, sign.key): None for _, sign in _signs()}
}
LABELS: tuple[str, ...] = tuple(key for place, key in SIGNS if place == "label")
OBJECTS: Mapping[str, tuple[Party, ObjectSign]] = {
    sign.resource: (party, sign) for party in PARTIES for sign in party.objects
}
