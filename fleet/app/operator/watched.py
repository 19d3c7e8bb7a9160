"""The objects of the API that an operator follows in its own cluster: those that are its policy, and the Rollouts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fleet.config.objects.kinds import GROUP, KINDS
from fleet.kube.client.transport import Transport
from fleet.kube.objects.api_resource import ApiResource
from fleet.kube.watch.reflector import Reflector
from fleet.system.clock import Clock

JsonObject = dict[str, Any]
ROLLOUT = "Rollout"
ROLLOUTS = "rollouts"
RESOURCES: Mapping[str, str] = {**{kind.kind: kind.plural for kind in KINDS.values()}, ROLLOUT: ROLLOUTS}
"""The plural names of the kinds."""


class WatchedKind:
    """The objects of one kind by name, as the API server has them."""

    def __init__(self, kind: str, transport: Transport, clock: Clock, news: asyncio.Event) -> None:
        resource: ApiResource[JsonObject] = ApiResource(
            kind, GROUP, "v1", RESOURCES[kind], JsonObject, lambda found: found
        )
        self.kind = kind
        self.objects: dict[str, JsonObject] = {}
        self.reflector = Reflector(transport, resource, clock, self, news.set)
        self._news = news

    def replace(self, objects: Sequence[JsonObject]) -> None:
        self.objects = {_name(found): self._whole(found) for found in objects}
        self._news.set()

    def upsert(self, found: JsonObject) -> None:
        before = self.objects.get(_name(found))
        self.objects[_name(found)] = self._whole(found)
        if before is None or _spec_of(before) != _spec_of(found):
            self._news.set()

    def delete(self, found: JsonObject) -> None:
        self.objects.pop(_name(found), None)
        self._news.set()

    def _whole(self, found: JsonObject) -> JsonObject:
        """Returns the object with its kind, which the items of a list do not name."""
        return {**found, "apiVersion": f"{GROUP}/v1", "kind": self.kind}


class WatchedObjects:
    """All objects that an operator follows. `run` keeps them up to date."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self.news = asyncio.Event()
        """Set when an object was added or deleted, or its spec has changed."""
        self.kinds = {kind: WatchedKind(kind, transport, clock, self.news) for kind in RESOURCES}

    async def run(self) -> None:
        """Watches until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for kind in self.kinds.values():
                tasks.create_task(kind.reflector.run())

    @property
    def unread(self) -> str:
        """Returns why not all objects are known; empty: they are."""
        for kind in self.kinds.values():
            reflector = kind.reflector
            if reflector.absent:
                return f"{RESOURCES[kind.kind]}.{GROUP}: {reflector.absent}"
            if not reflector.listed:
                why = reflector.error
                return f"{RESOURCES[kind.kind]}.{GROUP}: {why.message if why is not None else 'not read yet'}"
        return ""

    @property
    def policy(self) -> list[JsonObject]:
        """Returns the objects that are the policy."""
        return [found for kind in KINDS for found in self.kinds[kind].objects.values()]

    def find(self, kind: str, name: str) -> JsonObject | None:
        """Returns the object of that name; None if there is none."""
        return self.kinds[kind].objects.get(name)

    @property
    def rollouts(self) -> Mapping[str, JsonObject]:
        """Returns the Rollouts by name."""
        return self.kinds[ROLLOUT].objects


def _name(found: JsonObject) -> str:
    return str(found["metadata"]["name"])


def _spec_of(found: JsonObject) -> tuple[str, int]:
    """Returns what is another one where the spec is: its status is written by the operator alone."""
    return str(found["metadata"]["uid"]), int(found["metadata"].get("generation", 0))
