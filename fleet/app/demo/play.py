"""Plays the quarter: one controller on a clock that jumps, and the acts of users at their times."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from fleet.app.audit.signing import keygen
from fleet.app.demo.people import ADMIN, CONTROLLER, acting_as, make_tokens
from fleet.app.demo.quarter import acts
from fleet.app.demo.stage import Act, DemoStage
from fleet.app.rollouts.run import make_controller, open_clusters
from fleet.app.schedule.registry import jobs_of
from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.simulated_clock import CLOCK
from fleet.core.records.journal import JournalEntry
from fleet.drivers.pipeline import ClusterPipeline
from fleet.drivers.timers.pace import Pace, paced_by
from fleet.simulated.cluster import SimulatedCluster
from fleet.simulated.jumping_clock import JumpingClock, JumpingLoop
from fleet.simulated.quarter.fleet import END
from fleet.simulated.quarter.releases import FIRST
from fleet.store.db.sqlite import SqliteDatabase

LOG = logging.getLogger("fleet.demo")
REDRAW = 0.2
"""Seconds of real time between two pictures of the progress."""
LONGEST = timedelta(hours=3)
"""The longest time between two looks at the journal."""
SELDOM = 10
"""How much more rarely than in real time a controller's periodic tasks run: the inventory may be 20 seconds old."""


class Told(NamedTuple):
    """Holds what a story tells: an entry of the journal, or an act that is not in it."""

    at: datetime
    by: str = ""
    text: str = ""
    entry: JournalEntry | None = None


class Progress(NamedTuple):
    """Tells how far the story is."""

    at: datetime
    begin: datetime
    end: datetime


def play(
    home: Home,
    speed: float,
    tell: Callable[[Told], None],
    progress: Callable[[Progress], None] = lambda progress: None,
    end: datetime = END,
) -> None:
    """Plays from the time of the home to the end, where its clock then stands. `tell` is called in the order of time.
    Raises KeyboardInterrupt where the user ends the story early; the home is left as it is at that moment."""
    clock = JumpingClock(home.now(), speed, home.simulated / CLOCK)
    own = Home(home.path, home.database, clock=clock)
    database = own.store.database
    if isinstance(database, SqliteDatabase):
        database.hurry()
    make_tokens(own)
    try:
        with acting_as(own, ADMIN):
            keygen(own)
        with acting_as(own, CONTROLLER), asyncio.Runner(loop_factory=lambda: JumpingLoop(clock)) as runner:
            runner.run(_play(own, clock, end, tell, progress))
    finally:
        clock.save()
        own.close()


async def _play(
    home: Home,
    clock: JumpingClock,
    end: datetime,
    tell: Callable[[Told], None],
    progress: Callable[[Progress], None],
) -> None:
    begin = clock.now()
    clusters: dict[str, SimulatedCluster] = {}

    async def connect() -> Mapping[str, ClusterPipeline]:
        found = await open_clusters(home)
        clusters.update(
            (name, pipeline.cluster)
            for name, pipeline in found.items()
            if isinstance(pipeline.cluster, SimulatedCluster)
        )
        return found

    pace = Pace(clock.pause, paced_by(lambda seconds: clock.pause(SELDOM * seconds)).periodically)
    controller = make_controller(home, LOG.info, jobs=jobs_of(home), connect=connect, pace=pace)
    story = Story(home, clock, DemoStage(home, (FIRST,), clusters), tell)
    try:
        async with _shown(lambda: progress(Progress(clock.now(), begin, end))), asyncio.TaskGroup() as group:
            working = group.create_task(controller.run())
            timing = group.create_task(story.keep_time())
            await story.act(acts(home.policy(), begin, end), end)
            for task in (timing, working):
                task.cancel()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    story.read()


class Story:
    """Tells what happens, and lets the acts happen."""

    def __init__(
        self, home: Home, clock: JumpingClock, stage: DemoStage, tell: Callable[[Told], None]
    ) -> None:
        self._home = home
        self._clock = clock
        self._stage = stage
        self._tell = tell
        self._seq = 0

    async def act(self, acts: Sequence[Act], end: datetime) -> None:
        """Performs the acts, each at its time, and returns at the end."""
        for act in acts:
            await self._sleep_until(act.at)
            await self._perform(act)
        await self._sleep_until(end)

    async def keep_time(self) -> None:
        """Wakes the controller up when one of its jobs is due, and reads the journal."""
        while True:
            now = self._clock.now()
            due = min((state.next_at for state in self._home.store.jobs.all().values()), default=now)
            wait = due - now if due > now else LONGEST
            await self._clock.sleep(min(wait, LONGEST).total_seconds())
            self.read()

    def read(self) -> None:
        """Tells what is new in the journal."""
        for entry in self._home.store.journal.entries(after=self._seq):
            self._seq = entry.seq
            self._tell(Told(entry.at, entry.actor, entry=entry))

    async def _perform(self, act: Act) -> None:
        self.read()
        text = await asyncio.to_thread(self._stage.perform, act) if act.by else act.do(self._stage)
        if text:
            self._tell(Told(self._clock.now(), act.by, text))
        self.read()

    async def _sleep_until(self, at: datetime) -> None:
        await self._clock.sleep((at - self._clock.now()).total_seconds())


@asynccontextmanager
async def _shown(show: Callable[[], None]) -> AsyncIterator[None]:
    """Shows the progress several times a second of real time while the context is open."""

    async def repeat() -> None:
        while True:
            show()
            await asyncio.sleep(REDRAW)

    showing = asyncio.create_task(repeat())
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)
