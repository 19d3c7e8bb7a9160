"""Reasons of the node that the controller itself runs on."""

from __future__ import annotations

from fleet.core.records.reasons.spec import ReasonSpec

HAND_OVER = ReasonSpec(
    "hand-over",
    "the controller runs on {subject}: {pod} on {node} takes the lead first",
    opens="a standby leads, which takes seconds",
    docs="operator.md#the-controllers-own-node",
)
NO_STANDBY = ReasonSpec(
    "no-standby",
    "the controller runs on {subject} in {pod}, and none of its {replicas} replicas is Ready on another node to take the "
    "lead",
    opens="another replica is Ready on a node that is Ready and takes pods",
    docs="operator.md#the-controllers-own-node",
    remedy="see why the other replicas of {pod} are not Ready: kubectl get pods -A -o wide",
    needs_action=True,
    lint="in status",
)
CONTROLLER_DATA = ReasonSpec(
    "controller-data",
    "the controller runs on {subject}, and its database is a file that is lost when {pod} is evicted",
    opens="the controller's database is on a volume that outlives the pod, or on a server",
    docs="operator.md#the-controllers-own-node",
    remedy="give the controller a PersistentVolumeClaim for its home, or a PostgreSQL; until then upgrade {subject} by hand",
    needs_action=True,
    lint="in status",
)
CONTROLLER_STAYS = ReasonSpec(
    "controller-stays",
    "the controller runs on {subject}, and no other node can take {pod}: nobody would finish the upgrade",
    opens="another node can take the controller's pod, by its volumes, node selector, affinity, taints and size; or the pod "
    "goes down and comes back with its node",
    docs="operator.md#the-controllers-own-node",
    remedy="give {pod} the label cluster.x-k8s.io/drain: skip and the toleration of node.kubernetes.io/unschedulable, as "
    "the chart does: it then comes back with its node; or give it a volume that can move, or replicas with a PostgreSQL",
    needs_action=True,
    lint="in status",
)
OTHERS_FIRST = ReasonSpec(
    "others-first",
    "the controller, {pod}, goes down with {subject}: the nodes in work, {count}, are finished first",
    opens="no other node is in work",
    docs="operator.md#the-controllers-own-node",
)
