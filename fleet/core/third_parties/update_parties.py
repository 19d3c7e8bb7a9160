"""The third parties that update the operating system, drivers or Kubernetes of nodes, and others that hold nodes."""

from __future__ import annotations

from fleet.core.objects.node import CLAIMED_TAINT, INVENTORY_TAINT
from fleet.core.third_parties.party import WAIT, WAIT_FOR_DELETION, Does, ObjectSign, Party, Program, Sign

PLAN_CONTROLLER = ("upgrade.cattle.io/controller", "system-upgrade-controller")
"""Label, key and value, of the pods of the system-upgrade-controller and of the Jobs that it creates for its Plans."""

KURED_LOCK = "weave.works/kured-node-lock"
"""Annotation of kured's DaemonSet that lists the nodes that kured drains and reboots now."""

FLUO = "flatcar-linux-update.v1.flatcar-linux.net/"

MCO = "machineconfiguration.openshift.io/"

NTH = "aws-node-termination-handler/"

UPGRADES_DRIVER = frozenset(
    {
        *("cordon-required", "wait-for-jobs-required", "pod-deletion-required", "drain-required"),
        *("node-maintenance-required", "post-maintenance-required", "pod-restart-required"),
        *("validation-required", "uncordon-required"),
    }
)
"""States of the GPU Operator's driver upgrade in which the operator works on a node. The state of a queued node
(`upgrade-required`) is left out."""

UPDATERS: tuple[Party, ...] = (
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
                remedy=f"the annotation {MCO}reason of {{node}} shows why; oc get machineconfigpools",
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
        "its upgrade could not drain the node; fix that and remove the label, or delete the node",
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
                    remedy="fix what its driver pod reports; the label then goes on to upgrade-done",
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
                "a user has declared it out of service",
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
