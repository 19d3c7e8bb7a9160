"""Notices: what third parties do with a node, read from the Node, and from objects, locks and pods about the node."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.node import Node, Taint
from fleet.core.objects.pod import Pod
from fleet.core.objects.workload import Workload
from fleet.core.third_parties.maintenance import Maintenance
from fleet.core.third_parties.party import Does, MarkPlace, Party, Sign
from fleet.core.third_parties.sign_index import BY_NAME, LABELS, OBJECTS, SIGNS
from fleet.core.third_parties.update_parties import KURED_LOCK, PLAN_CONTROLLER

LONGEST = 80
"""Maximum number of characters that are shown of a text from a cluster."""
SECONDS_DIGITS = 10
"""Number of digits of a Unix time in seconds, until the year 2286."""


class Notice(Struct, frozen=True, gc=False):
    """One third party's work, or planned work, on one node."""

    party: str
    does: Does
    message: str
    """The party's work on the node, such as `the cluster autoscaler deletes it`."""
    mark: str
    """The place at which the notice was read, such as `taint ToBeDeletedByClusterAutoscaler`."""
    remedy: str
    """The remedy, as a text for users."""
    stays: bool = False
    """True if the notice does not end until an operator acts."""
    since: datetime | None = None
    """When the party's work began; None if it is not known."""
    until: datetime | None = None
    """When the notice expires; None if it does not."""

    @property
    def holds(self) -> bool:
        """True if fleet begins nothing on the node while the notice exists."""
        return self.does is not Does.MAY_DELETE

    @property
    def summary(self) -> str:
        """The notice in one line: which party does what, by which mark, since when."""
        since = f" since {self.since:%Y-%m-%d %H:%M} UTC" if self.since is not None else ""
        return f"{self.message} ({self.mark}{since})"


DELETED = Notice(
    "Kubernetes",
    Does.DELETES,
    "it is being deleted",
    "metadata.deletionTimestamp",
    "nothing to do: when the node is gone, its run is cancelled; if it stays, its metadata.finalizers say who has to let go",
)
"""The notice of a Node object that was deleted and that a finalizer keeps, as Karpenter's finalizer does, for
example."""


def of_node(node: Node) -> Iterator[Notice]:
    """Yields the notices in the Node itself: first that the Node is being deleted, then those in its taints,
    annotations and labels; for each of these the first sign in the order of the parties that applies."""
    if node.deleting:
        yield DELETED
    for taint in node.taints:
        yield from _signs(node, "taint", taint.key, taint.value)
    for key, value in node.annotations.items():
        yield from _signs(node, "annotation", key, value)
    for key in LABELS:
        if key in node.labels:
            yield from _signs(node, "label", key, node.labels[key])


def once_done(node: Node) -> Node:
    """Returns the node as it will be when the parties that work on the node have removed their taints."""
    taints = tuple(taint for taint in node.taints if not _is_temporary(taint))
    return node if len(taints) == len(node.taints) else replace(node, taints=taints)


def of_maintenance(maintenance: Maintenance) -> Notice | None:
    """Returns the notice in a maintenance object; None if its party does nothing with the node, or fleet does not know
    the kind of the object."""
    party, sign = OBJECTS.get(maintenance.kind, (None, None))
    if party is None or sign is None or maintenance.phase in sign.idle:
        return None
    place = f"{maintenance.namespace}/" if maintenance.namespace else ""
    mark = f"{sign.kind} {place}{_brief(maintenance.name)}"
    requestors = f" for {_brief(', '.join(maintenance.requestors))}" if maintenance.requestors else ""
    phase = f": {_brief(maintenance.phase)}" if maintenance.phase else ""
    named = f"{sign.resource} {maintenance.name}" + (
        f" -n {maintenance.namespace}" if maintenance.namespace else ""
    )
    return Notice(
        party.name,
        Does.WORKS,
        f"{sign.message}{requestors}{phase}",
        mark,
        party.remedy.format(object=f"it: kubectl delete {named}", node=maintenance.node, value=""),
        stays=bool({"*", maintenance.phase} & sign.stays),
    )


def of_locks(workload: Workload) -> Iterator[tuple[str, Notice]]:
    """Yields the name of each node that kured has locked by an annotation of its DaemonSet, with the notice."""
    party = BY_NAME["kured"]
    for lock in workload.locks:
        daemon_set = f"DaemonSet {workload.ref}"
        undo = f"kubectl annotate -n {workload.namespace} daemonset {workload.name} {KURED_LOCK}-"
        yield (
            lock.node,
            Notice(
                party.name,
                Does.WORKS,
                "kured reboots it",
                f"lock on {daemon_set}",
                party.remedy.format(object=f"if kured is gone: {undo}", node=lock.node, value=""),
                since=lock.since,
                until=lock.until,
            ),
        )


def of_pod(pod: Pod) -> Notice | None:
    """Returns the notice of a pod that works on its node for a Plan of the system-upgrade-controller; None for other
    pods."""
    key, value = PLAN_CONTROLLER
    if pod.labels.get(key) != value or pod.owner is None or pod.owner.kind != "Job":
        return None
    if pod.finished or not pod.node:
        return None
    party = BY_NAME["system-upgrade-controller"]
    return Notice(
        party.name,
        Does.WORKS,
        "a Plan of the system-upgrade-controller is at work on it",
        f"pod {pod.ref}",
        party.remedy,
    )


def _is_temporary(taint: Taint) -> bool:
    return any(sign.does is Does.WORKS for _, sign in SIGNS.get(("taint", taint.key), ()))


def _signs(node: Node, place: MarkPlace, key: str, value: str) -> Iterator[Notice]:
    for party, sign in SIGNS.get((place, key), ()):
        if _applies(node, sign, value):
            yield _notice(node, party, sign, value)
            return


def _applies(node: Node, sign: Sign, value: str) -> bool:
    if value not in sign.only if sign.only else value in sign.never:
        return False
    return not sign.unlike or node.annotations.get(sign.unlike, "") != value


def _notice(node: Node, party: Party, sign: Sign, value: str) -> Notice:
    shown = _brief(value)
    remedy = (sign.remedy or party.remedy).format(
        node=node.name,
        value=shown,
        object=f"if kured is gone, remove the annotation: kubectl annotate node {node.name} {sign.key}-",
    )
    return Notice(
        party.name,
        sign.does,
        sign.message.format(value=shown),
        f"{sign.place} {sign.key}",
        remedy,
        stays=sign.stays,
        since=_moment(value),
    )


def _moment(value: str) -> datetime | None:
    """Returns the time in a mark's value, in UTC: Unix seconds, or RFC 3339. None if the value is no time."""
    try:
        if value.isascii() and value.isdigit() and len(value) == SECONDS_DIGITS:
            return datetime.fromtimestamp(int(value), UTC)
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _brief(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
