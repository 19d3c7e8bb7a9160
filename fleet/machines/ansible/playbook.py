"""A machine that is worked on by playbooks: fleet's own (`playbooks/`), or a user's in place of some.

The class is the Family and the BootLogReader of the agent that runs in the controller. Each step is a playbook.
`facts` observes the machine, and passes its observation to `set_stats` as `fleet_now`.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.records.errors import UnreachableError
from fleet.core.releases.release import Release, distinct_name, is_release
from fleet.machines import redaction
from fleet.machines.agent.boot_log import LINES, LOOKED_AT, bounded, checked_unit, parse_boots
from fleet.machines.ansible.connection import Login, OpenSshConfig
from fleet.machines.ansible.events import AnsibleEvents, AnsibleResult, TaskResult
from fleet.machines.ansible.facts import observation
from fleet.machines.ansible.play import KEPT, run_playbook
from fleet.machines.errors import MachineError
from fleet.machines.families.family import Observation
from fleet.machines.families.shared.ostree_etc import LastComparison
from fleet.machines.host import LostError
from fleet.machines.progress import ReportPercent

LOOK_SECONDS = 5.0
"""Seconds between two checks of a machine that reboots; the playbooks use the same interval."""
GOING_DOWN_LOOKS = 6
"""How often a machine may be seen in its old boot after the connection was cut, before the cut counts as unrelated to
a reboot."""
FRESH_SECONDS = 2.0
"""Seconds for which an observation is reused."""
SHORT_SECONDS = 300.0
"""Seconds for a playbook that only observes."""
SPARE_SECONDS = 120.0
"""Seconds that a playbook may take in addition to the time for which it waits."""

TaskNote = Callable[[str, TaskResult], None]
"""A callback that receives the step and the task of a playbook that changes the machine."""


class PlaybookRules(Struct, frozen=True):
    """The rules of a pool about the playbooks of its machines."""

    own: Mapping[str, Path] = {}
    """The user's playbooks by step, which replace fleet's own."""
    stage_seconds: int = 1800
    boot_seconds: int = 900
    look_seconds: float = LOOK_SECONDS
    source: str = ""
    """The source of releases, for operating systems that need one."""


def shipped(step: str) -> Path:
    """Returns the path of fleet's own playbook of this step."""
    return Path(str(files("fleet.machines").joinpath("playbooks"))) / f"{step}.yaml"


class Playbooks:
    """One machine that is worked on by playbooks. Their artifacts are in `folder`, a subfolder for each step. Must be
    closed."""

    def __init__(self, name: str, login: Login, folder: Path, rules: PlaybookRules, note: TaskNote) -> None:
        self.news = asyncio.Event()
        """Set when the machine may have booted, so that it is worth a check."""
        self._name = name
        self._rules = rules
        self._note = note
        self._folder = folder.absolute()
        # Paths of sockets must be short.
        self._sockets = Path(tempfile.mkdtemp(prefix="fleet-"))
        self._way = OpenSshConfig(login, self._folder, self._sockets)
        self._limit = login.limit
        self._doubtful = False
        """True if the machine was not reached, or did not finish, the last time."""
        self._turns: dict[str, asyncio.Lock] = {}
        self._look = asyncio.Lock()
        self._seen: Observation | None = None
        self._etc = LastComparison()
        self._seen_at = 0.0
        self._fresh = False
        """True if the last observation is newer than every other playbook run."""

    async def close(self) -> None:
        await self._way.close()
        await asyncio.to_thread(shutil.rmtree, self._sockets, ignore_errors=True)

    async def observe(self) -> Observation:
        """Observes the machine. An observation younger than FRESH_SECONDS is returned again: a run takes seconds of
        CPU time."""
        now = asyncio.get_running_loop().time
        async with self._look:
            if self._seen is None or not self._fresh or now() - self._seen_at > FRESH_SECONDS:
                self._fresh = True
                compares = self._etc.due(self._seen.boot_id if self._seen else "", now())
                played = await self._play("facts", SHORT_SECONDS, {"fleet_compare_etc": compares}, kept=1)
                seen = observation(checked(self._name, played).stats)
                if compares:
                    self._etc.keep(seen.boot_id, now(), seen.etc)
                self._seen, self._seen_at = replace(seen, etc=self._etc.of(seen.boot_id)), now()
            return self._seen

    async def stage(self, release: Release, progress: ReportPercent, token: str = "") -> None:
        """Stages the release. The job on the machine goes on when this call is interrupted, and is found again by its
        token. A playbook that succeeds and has staged nothing is an error: a `when` or `end_play` in it was wrong."""
        wanted = self._wanted(release) | {"fleet_token": token or f"stage/{release.version}"}
        look = {**wanted, "fleet_allow_failed": True}
        checked(self._name, await self._play("preflight", SHORT_SECONDS, look, note=True))
        seconds = self._rules.stage_seconds + SPARE_SECONDS
        checked(self._name, await self._play("stage", seconds, wanted, progress, note=True))
        seen = await self.observe()
        if not any(is_release(deployed, release) for deployed in (seen.staged, seen.booted)):
            staged = distinct_name(seen.staged, release) if seen.staged else "nothing"
            other = distinct_name(release, seen.staged)
            raise MachineError(f"the playbook stage succeeded, but {staged} is staged, not {other}")
        progress(100)

    async def reboot(self) -> None:
        """Reboots the machine and returns when it has booted again. Whether the right release was booted is checked
        elsewhere."""
        seen = self._seen or await self.observe()
        variables = self._wanted(seen.boots_next()) | {"fleet_boot_id": seen.boot_id}
        seconds = self._rules.boot_seconds + SPARE_SECONDS
        try:
            played = await self._play("reboot", seconds, variables, note=True)
            await self._booted(seen.boot_id, played)
        finally:
            self.news.set()

    async def _booted(self, before: str, played: AnsibleResult) -> None:
        """Waits for another boot. Where the playbook ended with an error while the old boot goes on, its error is
        raised. A connection that was cut may have been cut by the reboot, so the machine is checked several more times
        first."""
        looks = 0
        gave_up = 1 if not played.succeeded and not played.unreachable else GOING_DOWN_LOOKS
        try:
            async with asyncio.timeout(self._rules.boot_seconds):
                while True:
                    try:
                        if (await self.observe()).boot_id != before:
                            return
                        looks += 1
                    except UnreachableError:
                        looks = 0
                    if looks >= gave_up:
                        checked(self._name, played)
                    await asyncio.sleep(self._rules.look_seconds)
        except TimeoutError:
            ended = f"; its playbook had ended with: {played.message}" if played.message else ""
            raise MachineError(
                f"it has not booted again within {self._rules.boot_seconds} s: boot id {before} is the one of "
                f"before{ended}"
            ) from None

    async def roll_back(self) -> None:
        """Makes the rollback deployment boot next, as `Family.roll_back` does."""
        seen = self._seen or await self.observe()
        if seen.rollback is None:
            if seen.staged is None:
                raise MachineError("there is no deployment after the booted one to roll back to")
            return
        variables = self._wanted(seen.rollback) | {"fleet_then_reboot": False}
        checked(self._name, await self._play("rollback", SHORT_SECONDS, variables, note=True))
        await self.observe()

    async def mark_good(self) -> None:
        """Runs the user's `verify`, if there is one. fleet's own is not run: the engine proves a boot itself."""
        if "verify" in self._rules.own:
            seen = self._seen or await self.observe()
            checked(
                self._name, await self._play("verify", SHORT_SECONDS, self._wanted(seen.booted), note=True)
            )

    async def last_boot(self, unit: str = "", lines: int = LINES, known: str = "") -> str:
        """Returns the log as `BootLogReader.last_boot` does."""
        folder = self._folder / "logs"
        variables = {
            "fleet_log_unit": checked_unit(unit),
            "fleet_log_lines": lines,
            "fleet_log_folder": str(folder),
        }
        try:
            checked(self._name, await self._play("collect-logs", SHORT_SECONDS, variables, kept=1))
            return await asyncio.to_thread(log_in, folder / self._name, known)
        finally:
            # The fetched log is deleted: it is stored on the machine alone.
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _wanted(self, release: Release) -> dict[str, Any]:
        return {
            "fleet_version": release.version,
            "fleet_digest": release.pin,
            "fleet_digests": sorted(release.known_by),
            "fleet_stage_seconds": self._rules.stage_seconds,
            "fleet_boot_seconds": self._rules.boot_seconds,
            "fleet_look_seconds": self._rules.look_seconds,
            "fleet_source": self._rules.source,
        }

    async def _play(
        self,
        step: str,
        seconds: float,
        variables: Mapping[str, Any] | None = None,
        progress: ReportPercent = lambda _: None,
        *,
        note: bool = False,
        kept: int = KEPT,
    ) -> AnsibleResult:
        """Runs a step's playbook: one run of a step at a time, and no more runs over all machines than the limit
        allows."""

        def tell(happened: TaskResult) -> None:
            if note:
                self._note(step, happened)

        async with self._turns.setdefault(step, asyncio.Lock()), self._limit.place(self._doubtful):
            host = {self._name: await self._way.host()}
            playbook = self._rules.own.get(step) or shipped(step)
            account = AnsibleEvents(self._name, tell, progress)
            try:
                played = await run_playbook(
                    self._folder / step, playbook, host, variables or {}, seconds, account, kept=kept
                )
                self._doubtful = played.unreachable
                return played
            except MachineError:
                # The run has not ended in time.
                self._doubtful = True
                raise
            finally:
                self._fresh = self._fresh and step == "facts"


def checked(name: str, played: AnsibleResult) -> AnsibleResult:
    """Returns a result that succeeded. Raises UnreachableError, LostError where the connection was lost during the
    run, and MachineError with the task that failed."""
    if played.succeeded:
        return played
    if played.unreachable:
        error = LostError if played.responded else UnreachableError
        raise error(f"{name}: {played.message}")
    raise MachineError(played.message)


def log_in(folder: Path, known: str) -> str:
    """Returns the log that `collect-logs` has fetched, as JournalctlBootLog returns it. Raises MachineError where the
    journal has no earlier boot."""
    boots, text = folder / "boots", folder / "boot-1.log"
    found = parse_boots(_end_of(boots)) if boots.exists() else ()
    if not text.exists() or (boots.exists() and len(found) < 2):
        raise MachineError(
            "the machine's journal has no earlier boot: it is not kept across boots; "
            "mkdir /var/log/journal on it, and the next one is"
        )
    other = known and found and found[-2] == known.replace("-", "")
    head = "(the boot that failed has left no log; this is the end of the one before it)\n" if other else ""
    return bounded(head, redaction.redact(_end_of(text)))


def _end_of(file: Path) -> str:
    """Returns the end of a file that the machine has filled, of which no more is read."""
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - LOOKED_AT))
        return opened.read(LOOKED_AT).decode("utf-8", "replace")
