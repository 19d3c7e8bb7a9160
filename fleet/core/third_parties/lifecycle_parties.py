"""The third parties that scale clusters, replace nodes, or take nodes out of service for maintenance."""

from __future__ import annotations

from fleet.core.third_parties.party import WAIT, WAIT_FOR_DELETION, Does, ObjectSign, Party, Sign

CAST_AI_DRAINING = "autoscaling.cast.ai/draining"
HARVESTER = "harvesterhci.io/maintain-status"

LIFECYCLE: tuple[Party, ...] = (
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
        f"{WAIT_FOR_DELETION}; if the node stays, its NodeClaim shows why",
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
        f"{WAIT_FOR_DELETION}; if the node stays, its Machine in the seed shows why",
        signs=(
            Sign(
                "annotation",
                "node.machine.sapcloud.io/trigger-deletion-by-mcm",
                Does.DELETES,
                "its machine-controller-manager is asked to delete it",
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
                "a user moves its virtual machines away",
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
)
