"""Keeps an operator's policy as the objects of its cluster have it, and the objects' statuses as the database has them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fleet.app.operator.api import apply_status, each_one, why_unproven
from fleet.app.operator.policy import AssembledPolicy, assembled, put_in_force
from fleet.app.operator.rollout_objects import RolloutObjects
from fleet.app.operator.statuses import ObjectStatus, known, status_before, statuses
from fleet.app.operator.watched import WatchedObjects
from fleet.app.planning.controller_pod import note_controller_pod
from fleet.app.wiring.home import Home
from fleet.core.records.errors import FleetError, UsageError
from fleet.core.state.own_pod import OwnPod
from fleet.drivers.identity import own_identity
from fleet.drivers.journal.log import LOG
from fleet.kube.actions.whoami import who_am_i
from fleet.kube.client.transport import Transport
from fleet.system.clock import WallClock

SETTLE = 2.0
"""Seconds without a change after which the objects are read: users apply several, one after another."""
LOOK = 5.0
"""Seconds between two looks at the rollouts of the database."""
MOST_SETTLING = 5
"""How often SETTLE is waited for at most, where objects change all the time."""
REPORT = 30.0
"""Seconds between two readings of the whole fleet for the statuses of the policy's objects."""


class ObjectSync:
    """Follows the objects of one cluster. Only the controller that leads writes to them."""

    def __init__(
        self,
        home: Home,
        cluster: str,
        transport: Transport,
        show: Callable[[str], None],
        watched: WatchedObjects | None = None,
        own: OwnPod | None = None,
    ) -> None:
        """`watched`: the objects; None: those of the API server that `transport` reaches. `own`: the pod of this
        process; None: it is not known."""
        self._home = home
        self._transport = transport
        self._show = show
        self._own = own
        self._watched = watched or WatchedObjects(transport, WallClock())
        self._rollouts = RolloutObjects(home, cluster, transport)
        self._policy = AssembledPolicy("")
        self._policy_due = False
        """The objects have changed since they were put in force."""
        self._reported_at: float | None = None
        self._logged: dict[str, list[str]] = {}
        """The problems that were logged last, by what they are about."""

    async def watch(self) -> None:
        """Watches the objects until it is cancelled."""
        await self._watched.run()

    async def until_in_force(self) -> None:
        """Waits until a policy without mistakes is in force. Raises UsageError where the home has one that no operator has
        written."""
        while not await self._read_policy():
            await self._changed()

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            await self.look(changed=await self._changed())

    async def look(self, changed: bool) -> None:
        """Puts the policy in force if the objects have changed, or if that was not possible before; then does what the
        Rollouts ask for and writes statuses, if this controller leads."""
        loop = asyncio.get_running_loop()
        self._policy_due = self._policy_due or changed
        if self._policy_due:
            self._policy_due = not await self._read_policy()
        if not self._watched.unread and await asyncio.to_thread(self._leads):
            await self._logging("pod", self._note_pod)
            due = self._reported_at is None or loop.time() - self._reported_at >= REPORT
            await self._logging("rollouts", self._rollouts_pass)
            if changed or due:
                self._reported_at = loop.time()
                await self._logging("statuses", self._statuses_pass)

    async def _changed(self) -> bool:
        """Waits for a change of the objects that has settled, at most LOOK seconds; returns whether there was one."""
        news = self._watched.news
        try:
            async with asyncio.timeout(LOOK):
                await news.wait()
        except TimeoutError:
            return False
        for _ in range(MOST_SETTLING):
            if not news.is_set():
                break
            news.clear()
            await asyncio.sleep(SETTLE)
        return True

    async def _read_policy(self) -> bool:
        """Reads the policy, and puts it in force if it has no mistakes; returns whether one is in force."""
        if unread := self._watched.unread:
            self._log("policy", f"the policy is not read: {unread}")
            return False
        found = await asyncio.to_thread(assembled, self._home, self._watched.policy)
        self._policy = found
        problems = [f"{name}: {'; '.join(each)}" for name, each in found.problems.items()]
        try:
            written = await asyncio.to_thread(put_in_force, self._home, found)
        except UsageError as error:
            if not found.problems:
                raise
            self._log("policy", *problems, error.full_message)
            return False
        except (FleetError, OSError) as error:
            self._log("policy", *problems, f"the policy cannot be put in force: {error}")
            return False
        self._log("policy", *problems)
        if written:
            self._show("the policy of the cluster's objects is in force")
        return True

    async def _note_pod(self) -> None:
        """Notes for plans in which pod the controller leads."""
        if self._own is not None:
            await asyncio.to_thread(note_controller_pod, self._home, self._own)

    async def _rollouts_pass(self) -> None:
        if not self._rollouts.user:
            self._rollouts.user = (await who_am_i(self._transport)).username
        objects = dict(self._watched.rollouts)
        if self._rollouts.asked(objects):
            self._rollouts.unproven = await why_unproven(self._transport)
        await self._rollouts.look(objects, self._watched.policy)

    async def _statuses_pass(self) -> None:
        objects = self._watched.policy
        found = await asyncio.to_thread(known, self._home, self._rollouts.names)
        wanted = await asyncio.to_thread(lambda: list(statuses(objects, self._policy, found)))
        there = [(each, self._watched.find(each.kind, each.name)) for each in wanted]
        await each_one(write(self._transport, *pair) for pair in there)

    async def _logging(self, what: str, work: Callable[[], Any]) -> None:
        try:
            await work()
        except FleetError as error:
            self._log(what, f"{what}: {error.full_message}")
        else:
            self._log(what)

    def _log(self, what: str, *problems: str) -> None:
        """Logs those of the present problems that were not there before."""
        before = self._logged.get(what, [])
        self._logged[what] = list(problems)
        for problem in problems:
            if problem not in before:
                LOG.warning("%s", problem)

    def _leads(self) -> bool:
        try:
            return self._home.store.lease.current(WallClock().now()) == own_identity()
        except FleetError:
            return False


async def write(transport: Transport, wanted: ObjectStatus, there: dict[str, Any] | None) -> None:
    """Writes the status if it differs from the one that the object has. Raises FleetError."""
    if there is None or status_before(there, type(wanted.status)) == wanted.status:
        return
    await apply_status(transport, wanted.kind, wanted.name, str(there["metadata"]["uid"]), wanted.status)
