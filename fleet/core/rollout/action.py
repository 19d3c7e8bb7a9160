"""The actions that the engine asks a driver to perform, and their outcomes.

An action names what must still be true when it is performed (`uid` of the node, `boot_id`, the pod's uid). A driver
checks this and returns STALE if it is no longer true. Every action is idempotent under its id.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import PodRef
from fleet.core.policy.alerting.silence import SilenceRule
from fleet.core.quorum.quorum import QuorumRule, SnapshotRule
from fleet.core.releases.release import Release


class Result(StrEnum):
    """Says how an action ended."""

    DONE = "done"
    REFUSED = "refused"
    """Not now: a budget is exhausted or its status is not yet observed (429). The engine tries again when something has
    changed."""
    GONE = "gone"
    """The object does not exist any more (404), or another object with the same name and another uid does."""
    STALE = "stale"
    """A precondition of the action is no longer true, or there was a conflict (409). The engine looks at the cluster and
    decides again."""
    FAILED = "failed"
    """The server refused for good (403, 422, 500 for several budgets). `detail` contains the server's message."""
    UNKNOWN = "unknown"
    """There was no answer: the action may or may not have been performed. The engine looks again before it does
    anything."""


class Action(Struct, frozen=True, gc=False, tag_field="kind"):
    """One action on one node. The struct's tag is the kind of the action."""

    id: str
    """Unique in the journal, and deterministic: it contains the rollout, the node, the attempt, the kind and a
    counter."""
    rollout: str
    node: NodeRef
    uid: str
    """The uid of the Node object that is meant. Another machine under the same name is not touched."""

    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)


class Mark(Action, frozen=True, gc=False, kw_only=True, tag="mark"):
    """Adds the pending taint (PreferNoSchedule) and the rollout annotation to the node."""


class Unmark(Action, frozen=True, gc=False, kw_only=True, tag="unmark"):
    """Removes the pending taint and the rollout annotation, if they belong to this rollout."""


class Stage(Action, frozen=True, gc=False, kw_only=True, tag="stage"):
    """Asks the machine to write the release beside the booted one (`spec.action: stage`)."""

    token: str
    release: Release


class Cordon(Action, frozen=True, gc=False, kw_only=True, tag="cordon"):
    """Sets `unschedulable` and the cordon annotation, in one patch. STALE if another party has cordoned the node
    first."""


class Evict(Action, frozen=True, gc=False, kw_only=True, tag="evict"):
    """Evicts a pod through the Eviction API, with a uid precondition."""

    pod: PodRef
    pod_uid: str
    grace_seconds: int | None = None
    """None: the pod's own grace period, in seconds, holds."""
    workload: str = ""
    """The controller of the pod, as kind and namespace/name. Empty in journals that older versions wrote."""
    there: int = 0
    """The number of the workload's pods that are known to have been on the node when it was cordoned."""
    asked: bool = False
    """True: no budget allows the eviction, and the request is sent so that the pod's operator acts on it."""


class Reboot(Action, frozen=True, gc=False, kw_only=True, tag="reboot"):
    """Asks the machine to boot the staged release. STALE unless the node is cordoned by this rollout, its boot id is
    still `boot_id`, and no pod that a drain removes is on the node. The driver checks this itself, because a watch may
    be late."""

    token: str
    release: Release
    boot_id: str
    staying: tuple[str, ...] = ()
    """The uids of the pods that a drain rule leaves on the node."""
    quorums: dict[str, QuorumRule] = {}
    """The quorum groups with members on the node, and the policy's rule for each. The driver reads the groups once
    more, and returns STALE if one of them could not do without the node."""


class Uncordon(Action, frozen=True, gc=False, kw_only=True, tag="uncordon"):
    """Removes fleet's own cordon, and removes the pending taint and fleet's annotations in the same patch. GONE or DONE
    if the cordon is not fleet's; such a cordon stays."""


class CancelRequest(Action, frozen=True, gc=False, kw_only=True, tag="clear"):
    """Removes fleet's request from the machine (`spec` empty), if its token is one of this rollout."""


class MoveLeader(Action, frozen=True, gc=False, kw_only=True, tag="move-leader"):
    """Moves the leadership of the group from the member on the node to another member."""

    group: str
    to: str
    """The name of the member that is to lead."""


class SaveSnapshot(Action, frozen=True, gc=False, kw_only=True, tag="snapshot"):
    """Writes and checks a snapshot of the group's data. The detail of DONE names its location, size and hash."""

    group: str
    rule: SnapshotRule


class Defragment(Action, frozen=True, gc=False, kw_only=True, tag="defragment"):
    """Defragments the database of one member. STALE if that member leads by now."""

    group: str
    member: str


class Silence(Action, frozen=True, gc=False, kw_only=True, tag="silence"):
    """Silences the alerts of the node in Alertmanager. The driver extends the silence while the run goes on, and removes
    it once the run has ended."""

    rule: SilenceRule


AnyAction = (
    Mark
    | Unmark
    | Stage
    | Cordon
    | Evict
    | Reboot
    | Uncordon
    | CancelRequest
    | MoveLeader
    | SaveSnapshot
    | Defragment
    | Silence
)

GroupAction = MoveLeader | SaveSnapshot | Defragment
"""The actions that are performed on a quorum group and not on the cluster."""


class Outcome(Struct, frozen=True, gc=False):
    """The result of one action, as a driver reports it. `detail` contains the server's message, without secrets."""

    action: AnyAction
    result: Result
    detail: str = ""
    retry_after: float | None = None
    """The seconds that the server asked to wait."""
