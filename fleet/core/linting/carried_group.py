"""A quorum group as deployed in a cluster: its voters, their pods and their nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.pod import Pod
from fleet.core.policy.policy import Policy
from fleet.core.quorum.groups import QuorumGroup, settled
from fleet.core.quorum.quorum import Quorum, QuorumRule, tolerates

ETCD_LABELS = {"component": "etcd"}
"""The labels of the static etcd pods of kubeadm and similar installers."""


class CarriedGroup(NamedTuple):
    """A quorum group as deployed in its cluster."""

    name: str
    rule: QuorumRule
    voters: int
    pods: tuple[Pod, ...]
    """The pods of the group's voters, as far as the voters are known as pods."""
    nodes: tuple[str, ...]
    """The node of each voter that runs on a known node. A node with several voters is listed several times."""


def carried_groups(
    policy: Policy, snapshot: Snapshot, annotated: Sequence[QuorumGroup]
) -> list[CarriedGroup]:
    """Returns the quorum groups that are declared, and the other ones that were read."""
    read = {quorum.name: quorum for quorum in snapshot.quorums}
    in_policy = [group for group in policy.quorums if group.cluster == snapshot.cluster]
    declared = [*in_policy, *settled(annotated, in_policy)]
    named = {group.name for group in declared}
    carried = [_carried(group, read.get(group.name), snapshot.pods) for group in declared if not group.wrong]
    undeclared = [quorum for name, quorum in read.items() if name not in named]
    return carried + [_as_read(quorum, policy.quorum_rule(quorum)) for quorum in undeclared]


def _carried(group: QuorumGroup, read: Quorum | None, pods: Iterable[Pod]) -> CarriedGroup:
    if group.members is None:
        own = [pod for pod in pods if pod.mirror and ETCD_LABELS.items() <= pod.labels.items()]
        if read is not None:
            return _as_read(read, group.rule)._replace(pods=tuple(own))
        # From a snapshot nothing is known about an etcd whose members are not pods of the cluster.
        own = [] if group.access.endpoints else own
        declared = 0
    else:
        members = group.members
        own = [
            pod
            for pod in pods
            if pod.namespace == members.namespace
            and members.selector.matches(pod.labels)
            and not pod.finished
        ]
        declared = members.voters or 0
    # If there are more pods than voters, some pods do not vote. The snapshot does not show which ones.
    voters = declared or len(own)
    nodes = tuple(pod.node for pod in own if pod.node)
    return CarriedGroup(group.name, group.rule, voters, tuple(own), nodes)


def _as_read(read: Quorum, rule: QuorumRule) -> CarriedGroup:
    nodes = tuple(member.node.name for member in read.voters if member.node is not None)
    return CarriedGroup(read.name, rule, len(read.voters), (), nodes)


def spare_voters(group: CarriedGroup) -> int:
    """Returns how many voters may be away at once without the loss of the majority and of the policy's margin."""
    return max(0, tolerates(group.voters) - group.rule.margin)


def pods_are(count: int) -> str:
    """Returns `1 pod is` or `3 pods are`."""
    return "1 pod is" if count == 1 else f"{count} pods are"
