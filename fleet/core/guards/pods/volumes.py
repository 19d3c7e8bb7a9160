"""Holds the reboot of a node until the volumes of the pods that have left it are detached.

Until then another node cannot attach these volumes, so that the pods would wait for this node to come back.
"""

from __future__ import annotations

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.attachment import Attachment
from fleet.core.objects.pod import PodRef
from fleet.core.policy.policy import DrainRule
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason


def held(node: str, view: ClusterView, rule: DrainRule) -> Held | None:
    """Returns what holds the reboot: a volume that is still attached to the drained node. Volumes of pods that stay
    there do not count. Returns None if nothing holds the reboot."""
    if rule.volumes == "ignore" or not (left := _left(node, view)):
        return None
    first = left[0]
    facts: dict[str, str | int] = {
        "attachment": first.name,
        "attacher": first.attacher or "its driver",
        "count": len(left),
        "more": f", and {len(left) - 1} more" if len(left) > 1 else "",
        "why": f": {first.error}" if first.error else "",
    }
    return Held(Reason.VOLUMES_ATTACHED, first.volume or first.name, facts)


def _left(node: str, view: ClusterView) -> list[Attachment]:
    """Returns the attachments of pods that have left, sorted by name.

    A volume whose claim is not known may belong to a pod that stays. As many such volumes are spared as the staying
    pods have claims to which no known volume is bound.
    """
    attached = sorted(
        (attachment for attachment in view.attachments_on(node) if attachment.may_be_attached),
        key=lambda attachment: attachment.name,
    )
    if not attached:
        return []
    staying = {
        PodRef(pod.namespace, claim)
        for pod in view.pod_index.on_node(node)
        if not pod.finished
        for claim in pod.mounted
    }
    claims = {
        attachment.name: volume.claim
        for attachment in attached
        if (volume := view.capacity.volumes.named(attachment.volume))
    }
    of_unknown_claims = [attachment for attachment in attached if attachment.name not in claims]
    spared = len(staying - set(claims.values()))
    return [
        attachment
        for attachment in attached
        if (attachment.name in claims and claims[attachment.name] not in staying)
        or attachment in of_unknown_claims[spared:]
    ]
