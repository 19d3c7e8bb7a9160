"""The last state of every object of one resource, and what has changed in it.

An event that comes twice is reported once, a change in fields that fleet does not read is not reported at all, and
after a gap (410 Gone, a lost connection) the new list is compared with what is known, and what is missing is reported
as deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from fleet.core.rollout.event import ApiObject
from fleet.kube.objects.api_resource import ApiResource
from fleet.kube.watch.etcd_check import newest
from fleet.kube.watch.listing import refuse_more

ObjectKey = tuple[str, str]
"""Namespace and name."""


class ObjectStore:
    """A Reflector's Store. `changed(there, gone)` is called with the objects that are new or different, and those that do
    not exist any more."""

    def __init__(
        self,
        resource: ApiResource[ApiObject],
        changed: Callable[[Sequence[ApiObject], Sequence[ApiObject]], None],
    ) -> None:
        self._resource = resource
        self._changed = changed
        self._known: dict[ObjectKey, ApiObject] = {}
        self._newest: ApiObject | None = None
        """The object that was changed last, as far as known."""
        self._samples: Iterator[ObjectKey] = iter(())
        self._sampled_newest = False

    def replace(self, objects: Sequence[ApiObject]) -> None:
        """Takes a whole list."""
        found = {_key(item): item for item in objects}
        gone = [old for key, old in self._known.items() if key not in found or _reborn(old, found[key])]
        there = [item for key, item in found.items() if not _same(self._known.get(key), item)]
        self._known = found
        self._newest = newest(found.values())
        self._changed(there, gone)

    def upsert(self, found: ApiObject) -> None:
        """Takes one object. Raises FleetError where there are more than fleet keeps in memory."""
        key = _key(found)
        old = self._known.get(key)
        self._newest = found
        self._known[key] = found
        refuse_more(len(self._known), self._resource)
        if not _same(old, found):
            self._changed((found,), (old,) if old is not None and _reborn(old, found) else ())

    def delete(self, found: ApiObject) -> None:
        """Forgets one object."""
        self._newest = None
        if self._known.pop(_key(found), None) is not None:
            self._changed((), (found,))

    def has(self, thing: ApiObject) -> bool:
        """Returns whether this is the last state that was reported of the object."""
        return self._known.get(_key(thing)) is thing

    def sample(self) -> ApiObject | None:
        """Returns the object that was changed last and, every other time, the next one of all; None: there is none."""
        self._sampled_newest = not self._sampled_newest
        if self._sampled_newest and self._newest is not None:
            return self._newest
        key = next(self._samples, None)
        if key is None:
            self._samples = iter(tuple(self._known))
            key = next(self._samples, None)
        return self._known.get(key) if key is not None else None


def _key(thing: ApiObject) -> ObjectKey:
    return getattr(thing, "namespace", ""), thing.name


def _reborn(old: ApiObject, new: ApiObject) -> bool:
    """Returns whether another object has taken the name."""
    return old.uid != new.uid


def _same(old: ApiObject | None, new: ApiObject) -> bool:
    """Returns whether nothing that fleet reads has changed."""
    if old is None or old.uid != new.uid:
        return False
    if old.resource_version == new.resource_version:
        return True
    aged: ApiObject = replace(old, resource_version=new.resource_version)
    return aged == new
