"""The objects `Rollout` beside the rollouts of the database: one is made for each rollout, its status is kept, and what
users ask for in one is carried out.

An object that is deleted while its rollout works is made anew under the rollout's id: deleting stops nothing. The object of
a rollout that has ended may be deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from msgspec import UNSET, Struct

from fleet.app.operator.api import apply_status, create_rollout, each_one
from fleet.app.operator.rollouts import (
    AskedRollout,
    PlannedRollout,
    RolloutCommands,
    asked_rollout,
    rollout_of,
)
from fleet.app.operator.statuses import policy_name, status_before
from fleet.app.operator.watched import ROLLOUT
from fleet.app.reporting.status import etas, held_in
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.home import Home
from fleet.core.custom_resources.rollout import RolloutSpec, RolloutStatus
from fleet.core.custom_resources.rollout_conditions import (
    refused_status,
    rollout_status,
    waiting_status,
)
from fleet.core.planning.plan import short_id
from fleet.core.records.errors import FleetError, HeldError, StoreError, UsageError
from fleet.core.rollout.rollout import Rollout
from fleet.kube.client.transport import Transport

RETRY = timedelta(seconds=60)
"""The time after which an object that was refused is tried again, unless it is changed before."""

JsonObject = dict[str, Any]


class WantedStatus(Struct, frozen=True):
    """The status that an object is to have, and the one that it has."""

    name: str
    uid: str
    before: RolloutStatus
    status: RolloutStatus


class RolloutObjects:
    def __init__(self, home: Home, cluster: str, transport: Transport) -> None:
        self._home = home
        self._commands = RolloutCommands(home, cluster)
        self._transport = transport
        self.user = ""
        """The operator's own name in the API."""
        self.unproven = "it was not asked yet"
        """Why the API server does not prove who asks for something in an object; empty: it does."""
        self.names: dict[str, str] = {}
        """The names of objects by the id of their rollout, where they differ."""
        self._tried: dict[tuple[str, int], datetime] = {}
        """When an object, as it is, was refused last, or waited for approvals."""

    def asked(self, objects: Mapping[str, JsonObject]) -> bool:
        """Returns whether a user may ask for something in one of the objects: none asks for anything of a rollout that has
        ended, and none in an object as the operator has made it."""
        return any(
            status_before(each, RolloutStatus).ended_at is UNSET
            and (each.get("spec") or {}).get("user") != self.user
            for each in objects.values()
        )

    async def look(self, objects: Mapping[str, JsonObject], policies: Sequence[JsonObject]) -> None:
        """Carries out what the objects ask for, makes those that are missing, and writes statuses that have changed.
        Raises FleetError."""
        pools = {str(each["metadata"]["name"]): policy_name(each) for each in policies if _is_pool(each)}
        wanted = await asyncio.to_thread(self.wanted, dict(objects), pools)
        missing = await asyncio.to_thread(self.missing, objects, pools)
        changed = (each for each in wanted if each.status != each.before)
        statuses = (
            apply_status(self._transport, ROLLOUT, each.name, each.uid, each.status) for each in changed
        )
        made = (create_rollout(self._transport, name, spec) for name, spec in missing)
        await each_one(chain(statuses, made))

    def wanted(self, objects: Mapping[str, JsonObject], pools: Mapping[str, str]) -> list[WantedStatus]:
        """Carries out what the objects ask for, and returns the status that each of them is to have. `pools`: the pool of
        each UpgradePolicy, by its object's name. Raises StoreError."""
        found, rollouts = [], Rollouts.load(self._home.store)
        # What has begun comes first: an abort waits for no plan of another object.
        for each in sorted(objects.values(), key=_begins):
            before = status_before(each, RolloutStatus)
            meta = each["metadata"]
            try:
                status = self._one(asked_rollout(each), pools, rollouts.all)
            except StoreError:
                raise
            except FleetError as error:
                generation = int(meta.get("generation", 0))
                status = refused_status(before, error.full_message, self._home.now(), generation)
            found.append(WantedStatus(str(meta["name"]), str(meta["uid"]), before, status))
        return found

    def _one(
        self, asked: AskedRollout, pools: Mapping[str, str], rollouts: Sequence[Rollout]
    ) -> RolloutStatus:
        """Carries out what the object asks for, and returns its status. `rollouts`: those of a moment ago; one is read again
        only where it has begun or was given a command. Raises FleetError where nothing has begun and what is asked for is
        refused."""
        rollout = rollout_of(asked, rollouts)
        if rollout is None:
            begun = self._begin(asked, pools)
            if isinstance(begun, RolloutStatus):
                return begun
            rollout = Rollouts.load(self._home.store).named(begun)
        if rollout.id != asked.name:
            self.names[rollout.id] = asked.name
        if not rollout.active:
            return self._status(asked, rollout, "")
        rollout, refused = self._ordered(asked, rollout)
        return self._status(asked, rollout, refused)

    def _begin(self, asked: AskedRollout, pools: Mapping[str, str]) -> RolloutStatus | str:
        now, key = self._home.now(), (asked.uid, asked.generation)
        if key in self._tried and now < self._tried[key] + RETRY:
            return asked.before
        try:
            self._ensure_proven()
            begun = self._commands.begin(asked, [_pool(name, pools) for name in asked.spec.policies])
        except FleetError:
            self._tried[key] = now
            raise
        if isinstance(begun, PlannedRollout):
            self._tried[key] = now
            return waiting_status(
                asked.before, begun.plan, begun.version, begun.required, begun.given, now, asked.generation
            )
        return begun

    def _ordered(self, asked: AskedRollout, rollout: Rollout) -> tuple[Rollout, str]:
        """Returns the rollout after what the object asks of it, and why that is refused; empty: nothing is."""
        if asked.spec.user == self.user:
            return rollout, ""
        try:
            self._ensure_proven()
            if self._commands.order(asked, rollout):
                rollout = Rollouts.load(self._home.store).named(rollout.id)
        except StoreError:
            raise
        except FleetError as error:
            return rollout, error.full_message
        return rollout, ""

    def _status(self, asked: AskedRollout, rollout: Rollout, refused: str) -> RolloutStatus:
        now, held = self._home.now(), held_in(self._home, [rollout])
        eta = etas(self._home, [rollout] if rollout.active else []).get(rollout.id)
        return rollout_status(asked.before, rollout, held, now, asked.generation, eta, refused)

    def missing(
        self, objects: Mapping[str, JsonObject], pools: Mapping[str, str]
    ) -> list[tuple[str, RolloutSpec]]:
        """Returns the objects to be made: those of active rollouts that have none; none before the operator's own name is
        known."""
        if not self.user:
            return []
        active = Rollouts.load(self._home.store).active
        there = {
            rollout.id for each in objects.values() if (rollout := _rollout_of(each, active)) is not None
        }
        named = {pool: name for name, pool in pools.items()}
        missing = []
        for rollout in active:
            own = tuple(dict.fromkeys(run.goal.pool for run in rollout.runs.values()))
            if rollout.id not in there:
                spec = self._spec(rollout, tuple(named.get(pool, pool) for pool in own))
                missing.append((rollout.id, spec))
        return missing

    def _spec(self, rollout: Rollout, policies: tuple[str, ...]) -> RolloutSpec:
        plan = short_id(rollout.start.plan)
        return RolloutSpec(
            policies=policies,
            user=self.user,
            version=rollout.release.version or UNSET,
            plan=plan if plan.startswith("p-") else UNSET,
        )

    def _ensure_proven(self) -> None:
        if self.unproven:
            raise HeldError(
                f"nobody proves who asks for this: {self.unproven}",
                "the Helm chart applies it; or fleet rollout start, pause, resume, abort",
            )


def _rollout_of(each: JsonObject, rollouts: Sequence[Rollout]) -> Rollout | None:
    try:
        return rollout_of(asked_rollout(each), rollouts)
    except UsageError:
        return None


def _begins(each: JsonObject) -> bool:
    """Returns whether the object has no rollout yet, as far as its status has it."""
    return status_before(each, RolloutStatus).rollout is UNSET


def _is_pool(each: JsonObject) -> bool:
    return bool(each["kind"] == "UpgradePolicy")


def _pool(name: str, pools: Mapping[str, str]) -> str:
    if name not in pools:
        raise UsageError(f"there is no UpgradePolicy {name}", "kubectl get upgradepolicies")
    return pools[name]
