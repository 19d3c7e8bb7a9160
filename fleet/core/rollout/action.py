"""What the engine asks a driver to do, and what came of it.

An action names what must still be true when it is performed (`uid` of the node, `boot_id`, the pod's uid): a
driver checks it and answers STALE where it is not. Every action is idempotent under its id.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import PodRef
from fleet.core.quorum.quorum import QuorumRule, SnapshotRule
from fleet.core.releases.release import Release


class Result(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    """Not now: a budget is exhausted or not yet observed (429). Try again when something changed."""
    GONE = "gone"
    """The object is not there any more (404), or its namesake with another uid is."""
    STALE = "stale"
    """What the action presumed is no longer true, or a conflict (409): look again, decide anew."""
    FAILED = "failed"
    """The server refused for good (403, 422, 500 for several budgets); `detail` has its words."""
    UNKNOWN = "unknown"
    """No answer: it may or may not have happened. Look again before doing anything."""


class Action(Struct, frozen=True, gc=False, tag_field="kind"):
    id: str
    """Unique in the journal, and deterministic: rollout, node, attempt, kind and a counter."""
    rollout: str
    node: NodeRef
    uid: str
    """uid of the Node object that is meant; another machine under the same name is not touched."""

    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)


class Mark(Action, frozen=True, gc=False, kw_only=True, tag="mark"):
    """Put the pending taint (PreferNoSchedule) and the rollout annotation on the node."""


class Unmark(Action, frozen=True, gc=False, kw_only=True, tag="unmark"):
    """Take away the pending taint and the rollout annotation, if they are of this rollout."""


class Stage(Action, frozen=True, gc=False, kw_only=True, tag="stage"):
    """Ask the machine to write the release beside the booted one (`spec.action: stage`)."""

    token: str
    release: Release


class Cordon(Action, frozen=True, gc=False, kw_only=True, tag="cordon"):
    """Set `unschedulable` and the cordon annotation, in one patch; STALE if another has cordoned it first."""


class Evict(Action, frozen=True, gc=False, kw_only=True, tag="evict"):
    """Eviction API, with a uid precondition."""

    pod: PodRef
    pod_uid: str
    grace_seconds: int | None = None
    """None: the pod's own."""
    workload: str = ""
    """What keeps the pod running, as kind and namespace/name; empty in journals that older versions wrote."""
    there: int = 0
    """Pods of that workload that are known to have been on the node when it was cordoned."""
    asked: bool = False
    """No budget allows it: the request is sent for the pod's operator to act upon."""


class Reboot(Action, frozen=True, gc=False, kw_only=True, tag="reboot"):
    """Ask the machine to boot the staged release. STALE unless the node is cordoned by this rollout, its boot id is
    still `boot_id`, and no pod is on it that a drain takes away: the driver looks, since a watch may be late."""

    token: str
    release: Release
    boot_id: str
    staying: tuple[str, ...] = ()
    """uids of pods that a drain rule leaves on the node."""
    quorums: dict[str, QuorumRule] = {}
    """The groups with members on the node, and what people allow of each: they are read once more, and STALE is
    answered where one could not do without the node."""


class Uncordon(Action, frozen=True, gc=False, kw_only=True, tag="uncordon"):
    """Undo our own cordon, and take the pending taint and our annotations away in the same patch. GONE or DONE if
    the cordon is not ours (it stays)."""


class CancelRequest(Action, frozen=True, gc=False, kw_only=True, tag="clear"):
    """Take our request off the machine (`spec` empty), if its token is one of this rollout."""


class MoveLeader(Action, frozen=True, gc=False, kw_only=True, tag="move-leader"):
    """The group's leader, which is on the node, hands over to another member."""

    group: str
    to: str
    """The member's name."""


class SaveSnapshot(Action, frozen=True, gc=False, kw_only=True, tag="snapshot"):
    """A snapshot of the group's data is written and checked; DONE tells where, its size and hash."""

    group: str
    rule: SnapshotRule


class Defragment(Action, frozen=True, gc=False, kw_only=True, tag="defragment"):
    """The database of one member is written anew without its holes. STALE where it leads by now."""

    group: str
    member: str


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
)

GroupAction = MoveLeader | SaveSnapshot | Defragment
"""Done to a quorum group and not to the cluster."""


class Outcome(Struct, frozen=True, gc=False):
    """What a driver reports of one action. The words of `detail` are the server's, without secrets."""

    action: AnyAction
    result: Result
    detail: str = ""
    retry_after: float | None = None
    """Seconds the server asked to wait."""
