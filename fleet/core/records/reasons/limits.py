"""Reasons of the policy's limits: as many nodes are out as may be."""

from __future__ import annotations

from fleet.core.records.reasons.spec import ReasonSpec

NODES_OUT = (
    "fleet's own come back by themselves; repair the others, uncordon them, or fleet rollout release "
    "a failed one"
)

POOL_LIMIT = ReasonSpec(
    "pool-limit",
    "pool {subject} has {out} of {limit} nodes out{which}",
    opens="a node of the pool is back",
    docs="policy.md#rules",
    remedy=NODES_OUT,
)
ZONE_LIMIT = ReasonSpec(
    "zone-limit",
    "zone {subject} has {out} of {limit} nodes out{which}",
    opens="a node of the zone is back",
    docs="policy.md#rules",
    remedy=NODES_OUT,
)
SITE_LIMIT = ReasonSpec(
    "site-limit",
    "site {subject} has {out} of {limit} nodes out{which}",
    opens="a node of the site is back",
    docs="policy.md#rules",
    remedy=NODES_OUT,
)
CLUSTER_LIMIT = ReasonSpec(
    "cluster-limit",
    "cluster {subject} has {out} of {limit} nodes out{which}",
    opens="a node of the cluster is back",
    docs="policy.md#rules",
    remedy=NODES_OUT,
)
