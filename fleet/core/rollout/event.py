"""What the engine observes: the state of objects, whether clusters can be reached, outcomes of its actions.

Events of one cluster and kind come in the order of the API server; between kinds there is no order: a pod may name
a node that has not been seen yet.
"""

from __future__ import annotations

from msgspec import Struct

from fleet.core.objects.attachment import Attachment
from fleet.core.objects.budget import Budget
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.objects.pod import Pod
from fleet.core.objects.volumes import PersistentVolume, PersistentVolumeClaim
from fleet.core.objects.workload import Workload
from fleet.core.quorum.quorum import Quorum
from fleet.core.rollout.action import Outcome
from fleet.core.rollout.record import TaskPlayed
from fleet.core.third_parties.maintenance import Maintenance

ApiObject = (
    Node
    | Pod
    | Budget
    | Workload
    | Machine
    | PersistentVolume
    | PersistentVolumeClaim
    | Attachment
    | Maintenance
)
"""What an API server keeps."""
ClusterObject = ApiObject | Quorum


class Upserted(Struct, frozen=True, gc=False):
    """The object exists, with this state. Repeats are harmless."""

    cluster: str
    thing: ClusterObject


class Deleted(Struct, frozen=True, gc=False):
    """The object was deleted; `thing` is its last known state."""

    cluster: str
    thing: ClusterObject


class ClusterSynced(Struct, frozen=True):
    """Every kind of this cluster has been listed once and is being watched: what is not known is not there.

    Comes again after each `ClusterLost`, and where the version is another one.
    """

    cluster: str
    server_version: str = ""
    """The version of its oldest API server, as far as they have answered."""


class ClusterLost(Struct, frozen=True):
    """The cluster does not answer: what is known of it may be old. Nothing new starts there."""

    cluster: str
    why: str
    led_by_another: bool = False
    """It does answer; another controller works there, or this one must not."""


class JournalNote(Struct, frozen=True):
    """Something for the journal alone: nobody decides by it."""

    cluster: str
    record: TaskPlayed


ClusterEvent = Upserted | Deleted | ClusterSynced | ClusterLost | Outcome | JournalNote
