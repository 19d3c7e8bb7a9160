"""The events that the engine observes: the state of objects, whether clusters can be reached, and the outcomes of its
actions.

Events of one cluster and kind arrive in the order of the API server. There is no order between kinds: a pod may name a
node that has not been seen yet.
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
"""The objects that an API server stores."""
ClusterObject = ApiObject | Quorum
ClusterObjectKey = tuple[type[ClusterObject], str, str, str]
"""The type of an object, its kind where the type has several, its namespace and its name."""


def object_key(obj: ClusterObject) -> ClusterObjectKey:
    """Returns what names the object in its cluster."""
    namespaced = Pod | Budget | Workload | PersistentVolumeClaim | Maintenance
    namespace = obj.namespace if isinstance(obj, namespaced) else ""
    kind = obj.kind if isinstance(obj, Workload | Maintenance) else ""
    return type(obj), kind, namespace, obj.name


class Upserted(Struct, frozen=True, gc=False):
    """The object exists with this state. Repeated events are harmless."""

    cluster: str
    obj: ClusterObject


class Deleted(Struct, frozen=True, gc=False):
    """The object was deleted. `obj` is its last known state."""

    cluster: str
    obj: ClusterObject


class ClusterSynced(Struct, frozen=True):
    """Every kind of this cluster has been listed once and is being watched: an object that is not known does not exist.

    This event is repeated after each `ClusterLost`, and whenever the version changes.
    """

    cluster: str
    server_version: str = ""
    """The version of the oldest of the cluster's API servers that have answered."""


class ClusterLost(Struct, frozen=True):
    """The cluster does not answer, so that what is known about it may be out of date. Nothing new starts there."""

    cluster: str
    why: str
    led_by_another: bool = False
    """True: the cluster answers, but another controller works there, or this controller must not."""


class JournalNote(Struct, frozen=True):
    """A record for the journal alone, which no decision depends on."""

    cluster: str
    record: TaskPlayed


ClusterEvent = Upserted | Deleted | ClusterSynced | ClusterLost | Outcome | JournalNote
