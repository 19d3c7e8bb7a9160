"""Reasons of a cluster: fleet cannot work in it, or another controller does."""

from __future__ import annotations

from fleet.core.records.reasons.spec import ReasonSpec

UNREACHABLE = ReasonSpec(
    "unreachable",
    "cluster {subject} is unreachable: {why}",
    opens="the cluster answers again",
    docs="architecture.md#safety",
    remedy="fleet cluster check {subject}",
    scope="cluster",
)
LED_BY_ANOTHER = ReasonSpec(
    "led-by-another",
    "nothing is done in cluster {subject}: {why}",
    opens="this fleet holds the Lease of the cluster",
    docs="architecture.md#safety",
    remedy=("see which fleet that controller is of: it goes on here once that one no longer leads {subject}"),
    scope="cluster",
)
SILENCE = ReasonSpec(
    "silence",
    "the alerts of {node} are being silenced ({subject})",
    opens="Alertmanager answers",
    docs="notifications.md#silences",
)
NOT_SILENCED = ReasonSpec(
    "not-silenced",
    "the alerts of {node} are not silenced ({subject}), which the policy requires: {why}",
    opens="Alertmanager accepts the silence; after drain.timeout the node is given back",
    docs="notifications.md#silences",
    remedy="see that its Alertmanager answers; with required: false nodes of later rollouts go without",
    needs_action=True,
)
BACKOFF = ReasonSpec(
    "backoff",
    "{what} was refused ({why}); it is tried again",
    opens="fleet asks again; the server's message says why it refused",
    docs="architecture.md#the-engine",
)
