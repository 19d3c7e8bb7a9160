"""The table of all reasons. A new reason is a code in `reason.py` and a `ReasonSpec` in the file of its subject."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.core.records.reasons import limits, nodes, pods, quorums, releases, rollouts
from fleet.core.records.reasons.reason import Reason
from fleet.core.records.reasons.spec import ReasonSpec

SPECS: Mapping[Reason, ReasonSpec] = {
    spec.reason: spec
    for spec in (
        *rollouts.SPECS,
        *nodes.SPECS,
        *pods.SPECS,
        *limits.SPECS,
        *quorums.SPECS,
        *releases.SPECS,
    )
}
