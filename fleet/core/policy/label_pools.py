"""Pools of a fleet without a policy: by the labels that installers and providers put on nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from fleet.core.objects.node import Node
from fleet.core.objects.selector import Requirement, Selector
from fleet.core.policy.policy import Policy, Pool

POOL_LABELS = (
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "kubernetes.azure.com/agentpool",
    "karpenter.sh/nodepool",
    "doks.digitalocean.com/node-pool",
    "k8s.scaleway.com/pool-name",
    "kops.k8s.io/instancegroup",
    "pool",
)
"""Labels whose values name groups of equal nodes. The first that a node has decides."""
ROLE_PREFIX = "node-role.kubernetes.io/"
OLD_CONTROL_PLANE = "master"
"""The role that Kubernetes 1.24 renamed to control-plane."""


ChosenLabels = tuple[tuple[str, str], ...]


def deciding_labels(policy: Policy | None) -> Callable[[Mapping[str, str]], ChosenLabels]:
    """Returns a function that takes of a node's labels those that decide in which pool the node is. None: there is no
    policy, and the pools are those of `label_pools`."""
    if policy is None:
        return lambda labels: tuple(
            sorted(
                each for each in labels.items() if each[0] in POOL_LABELS or each[0].startswith(ROLE_PREFIX)
            )
        )
    keys = tuple(dict.fromkeys(key for pool in policy.pools for key in pool.selector.keys))
    return lambda labels: tuple([(key, labels[key]) for key in keys if key in labels])


def label_pools(nodes: Iterable[Node]) -> tuple[Pool, ...]:
    """Returns a pool for each value of a pool label, then one for each role: a node is in the first that matches.
    Nodes without any of these labels are in no pool. The pools follow no stream, so that nothing is called outdated."""
    values: dict[tuple[str, str], None] = {}
    roles: dict[str, None] = {}
    for node in nodes:
        for label in POOL_LABELS:
            if value := node.labels.get(label):
                values[label, value] = None
        roles.update(dict.fromkeys(label for label in node.labels if label.startswith(ROLE_PREFIX)))
    ordered = sorted(values, key=lambda key: (POOL_LABELS.index(key[0]), key[1]))
    named = [Pool(value, selector=Selector(match_labels={label: value})) for label, value in ordered]
    return (*named, *(_role_pool(label) for label in sorted(roles)))


def _role_pool(label: str) -> Pool:
    name = label.removeprefix(ROLE_PREFIX)
    return Pool(
        "control-plane" if name == OLD_CONTROL_PLANE else name,
        selector=Selector(match_expressions=(Requirement(label, "Exists"),)),
    )
