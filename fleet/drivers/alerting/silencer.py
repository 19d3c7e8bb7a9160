"""Keeps the alerts of nodes silenced while fleet works on them, for as long as this controller leads.

The engine asks for a silence before a node's cordon, and its intent is in the journal. From then on what must be silenced
follows from the runs alone: a silence that is there is extended, one that is missing is made, and one of a run that has
ended is removed, whichever controller made it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from fleet.alertmanager.server import Alertmanager
from fleet.alertmanager.silence import StoredSilence, Subject, upkeep
from fleet.core.objects.node import NodeRef
from fleet.core.policy.alerting.silence import SilenceRule
from fleet.core.records.errors import FleetError
from fleet.core.rollout.action import AnyAction, Outcome, Result, Silence
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import HAS_SLOT
from fleet.drivers.journal.log import LOG
from fleet.drivers.ports import Journal
from fleet.system.web import Credentials, NoAnswerError

LOOK_SECONDS = 15.0
"""Seconds between two looks at what has to be silenced."""
EARLIER = timedelta(days=2)
"""How far back in the journal an earlier controller's silences are looked for. They end by themselves much sooner."""
LAST_SECONDS = 15.0
"""How long a controller that has nothing left to do waits for Alertmanager."""
Wanted = dict[Subject, dict[str, str]]
"""The labels of what must be silenced now."""


class Silencer:
    """The silences of one controller while it leads. It performs the action `silence` of every cluster."""

    def __init__(
        self, journal: Journal, rollouts: Callable[[], Iterable[Rollout]], wall: Callable[[], datetime]
    ) -> None:
        """`rollouts` returns those that are under way now. `wall` is the real time, by which silences end."""
        self._journal = journal
        self._rollouts = rollouts
        self._wall = wall
        self._fleet = ""
        self._servers: dict[Alertmanager, str] = {}
        """Those that may have silences of this fleet, each with what was wrong the last time."""
        self._locks: dict[Alertmanager, asyncio.Lock] = {}
        self._remembered = False
        self._round: asyncio.Task[None] | None = None

    async def handle(self, action: AnyAction) -> Outcome | None:
        """Makes the silence that an action asks for. Actions of other kinds are for the next handler."""
        if not isinstance(action, Silence):
            return None
        server = _server(action.rule, action.node.cluster)
        self._servers.setdefault(server, "")
        subject = Subject(action.rollout, action.node, action.rule.name)
        try:
            async with self._lock(server):
                own = await server.own(self._identity())
                await self._keep(server, own, subject, action.rule.labels(action.node))
        except NoAnswerError as error:
            return Outcome(action, Result.FAILED, f"{server.url}: {error}")
        return Outcome(action, Result.DONE, f"silenced in {server.url}")

    def look(self) -> None:
        """Begins to bring Alertmanager to what must be silenced now; called every LOOK_SECONDS."""
        if self._round is None or self._round.done():
            self._round = asyncio.get_running_loop().create_task(self._bring_about())
            self._round.add_done_callback(_log_error)

    async def finish(self) -> None:
        """Removes what is silenced no longer, and waits a moment for that."""
        if self._round is not None and not self._round.done():
            await asyncio.wait([self._round], timeout=LAST_SECONDS)
        self.look()
        if self._round is not None:
            await asyncio.wait([self._round], timeout=LAST_SECONDS)

    async def close(self) -> None:
        if self._round is not None:
            self._round.cancel()
            await asyncio.gather(self._round, return_exceptions=True)

    async def _bring_about(self) -> None:
        for server in {server for server, _, _ in self._wanted()}:
            self._servers.setdefault(server, "")
        if not self._remembered:
            for server in self._earlier():
                self._servers.setdefault(server, "")
            self._remembered = True
        await asyncio.gather(*(self._serve(server) for server in list(self._servers)))

    async def _serve(self, server: Alertmanager) -> None:
        """Makes, extends and removes the silences of one server. What fails is tried again in the next round."""
        try:
            async with self._lock(server):
                own = await server.own(self._identity())
                # After the question: what was asked for meanwhile is not taken for something that has ended.
                wanted = {subject: labels for where, subject, labels in self._wanted() if where == server}
                for subject, labels in wanted.items():
                    await self._keep(server, own, subject, labels)
                comments = {subject.comment for subject in wanted}
                for silence in own:
                    if silence.comment not in comments:
                        await server.delete(silence.id)
                if not wanted:
                    del self._servers[server]
                    return
        except NoAnswerError as error:
            if self._servers[server] != str(error):
                LOG.warning("silences in %s: %s", server.url, error)
            self._servers[server] = str(error)
            return
        self._servers[server] = ""

    async def _keep(
        self, server: Alertmanager, own: list[StoredSilence], subject: Subject, labels: dict[str, str]
    ) -> None:
        todo = upkeep(own, subject, labels, self._identity(), self._wall())
        if todo.post is not None:
            await server.post(todo.post)
        for silence in todo.delete:
            await server.delete(silence)

    def _wanted(self) -> Iterator[tuple[Alertmanager, Subject, dict[str, str]]]:
        """Yields what must be silenced now: the nodes of runs between their cordon and their end."""
        for rollout in self._rollouts():
            for node, rule in _rules(rollout):
                yield (
                    _server(rule, node.cluster),
                    Subject(rollout.id, node, rule.name),
                    rule.labels(node),
                )

    def _earlier(self) -> Iterator[Alertmanager]:
        """Yields where controllers have made silences lately, for rollouts that may have ended since."""
        for entry in self._journal.entries(kinds=("silence",)):
            if entry.record.form == "intent" and entry.at >= self._wall() - EARLIER:
                action = from_record(entry.record)
                if isinstance(action, Silence):
                    yield _server(action.rule, action.node.cluster)

    def _identity(self) -> str:
        """Returns what tells this fleet from others that use the same Alertmanager: the first entry of its journal."""
        if not self._fleet:
            first = next(iter(self._journal.entries()))
            self._fleet = first.hash[:16]
        return self._fleet

    def _lock(self, server: Alertmanager) -> asyncio.Lock:
        """Returns the lock under which silences are read and then written: two at once would make two."""
        return self._locks.setdefault(server, asyncio.Lock())


def _log_error(round_: asyncio.Task[None]) -> None:
    """Logs what went wrong in a round, such as a database that is locked. The next round does what is left to do."""
    if not round_.cancelled() and (error := round_.exception()) is not None:
        LOG.warning("silences: %s", error.message if isinstance(error, FleetError) else repr(error))


def _rules(rollout: Rollout) -> Iterator[tuple[NodeRef, SilenceRule]]:
    if not any(pool.silences for pool in rollout.policy.pools):
        return
    for run in rollout.runs.values():
        if run.step in HAS_SLOT:
            for rule in rollout.pool(run).silences or ():
                yield run.node, rule


def _server(rule: SilenceRule, cluster: str) -> Alertmanager:
    return Alertmanager(rule.url(cluster), Credentials(rule.token_file, rule.ca_file))
