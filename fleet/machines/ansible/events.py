"""Reads ansible-runner's events of one playbook run on one machine.

Source: ansible-runner 2.4, display_callback/awx_display.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from fleet.core.text.untrusted import UnreadableError, decode
from fleet.machines.host import shown

_PERCENT = re.compile(r"^fleet_percent=(\d{1,3})\s*$", re.MULTILINE)
_QUIET = 20
"""How many of the last output lines that are no events are kept."""


class TaskResult(Struct, frozen=True):
    """A task that changed something, or failed, for users to see."""

    task: str
    result: str
    """One of changed, failed, unreachable."""
    message: str = ""

    def __str__(self) -> str:
        return f"{self.task}: {self.result}{f': {self.message}' if self.message else ''}"


class AnsibleResult(Struct, frozen=True):
    """The result of a playbook run."""

    code: int
    stats: dict[str, Any] = {}
    """The values that the playbook passed to `set_stats`."""
    responded: bool = False
    """True if the machine ran at least one command."""
    unreachable: bool = False
    """True if the run ended because the machine could not be reached."""
    message: str = ""
    """The task that ended the run and its message, or why nothing was done; empty where the run succeeded."""

    @property
    def succeeded(self) -> bool:
        return not self.message


class AnsibleEventData(Struct):
    play: str | None = ""
    """The name of the play, or its `hosts`."""
    task: str = ""
    host: str = ""
    res: dict[str, Any] = {}
    ignore_errors: bool | None = False
    failures: dict[str, int] = {}
    """The hosts that ended with a failed task, in the statistics at the end."""
    dark: dict[str, int] = {}
    """The hosts that ended unreachable, in the statistics at the end."""
    artifact_data: dict[str, Any] = {}


class AnsibleEvent(Struct):
    """The parts of an event that are read."""

    event: str
    event_data: AnsibleEventData = msgspec.field(default_factory=AnsibleEventData)
    stdout: str = ""


class AnsibleEvents:
    """Collects the events of one run on the machine `name`, and returns the run's result.

    The exit code alone proves nothing: ansible exits with 0 where a play matches no host, with 4 where a playbook does
    not parse, and with 4 alone where one host failed and another was unreachable (ansible-core 2.19,
    executor/playbook_executor.py). The events of this machine decide.
    """

    def __init__(
        self, name: str, report: Callable[[TaskResult], None], percent: Callable[[int], None]
    ) -> None:
        self._name = name
        self._report = report
        self._percent = percent
        self._touched = self._answered = False
        self._unmatched: list[str] = []
        self._failed: dict[str, TaskResult] = {}
        self._stats: AnsibleEventData | None = None
        self._item = ""
        self._printed: list[str] = []

    def see(self, line: bytes) -> None:
        """Reads one line of the run's output: an event, or text that is kept for an error."""
        try:
            event = decode(line, AnsibleEvent)
        except UnreadableError:
            self._print(line.decode("utf-8", "replace"))
            return
        data = event.event_data
        mine = data.host == self._name
        self._touched = self._touched or mine
        self._answered = self._answered or (mine and "rc" in data.res and "unreachable" not in data.res)
        match event.event:
            case "runner_retry" | "runner_on_ok":
                self._progress(data)
                if event.event == "runner_on_ok" and data.res.get("changed"):
                    self._report(TaskResult(data.task, "changed"))
            case "runner_item_on_failed":
                self._item = message_of(data.res)
            case "runner_on_failed":
                message, self._item = self._item or message_of(data.res), ""
                if not data.ignore_errors:
                    self._report(self._fail(data, "failed", message))
            case "runner_on_unreachable":
                self._fail(data, "unreachable", message_of(data.res))
            case "playbook_on_stats":
                self._stats = data
            case "playbook_on_no_hosts_matched":
                self._unmatched.append(data.play or "without a name")
            case "verbose" | "error":
                self._print(event.stdout)

    def end(self, code: int) -> AnsibleResult:
        stats = self._stats or AnsibleEventData()
        unreached = self._name in stats.dark
        failed = self._end_of(stats)
        if unreached and failed is not None:
            self._report(failed)
        message = self._why_nothing() if code == 0 else str(failed or self._last_output() or f"exit {code}")
        return AnsibleResult(code, stats.artifact_data, self._answered, unreached, message)

    def _fail(self, data: AnsibleEventData, result: str, message: str) -> TaskResult:
        failed = TaskResult(data.task, result, message)
        # Only the last failure of each host is kept, and the hosts are in the order of these.
        self._failed.pop(data.host, None)
        self._failed[data.host] = failed
        return failed

    def _end_of(self, stats: AnsibleEventData) -> TaskResult | None:
        """Returns the task that the run failed by: on the machine itself, or else on another host. A failure that was
        rescued or ignored did not end the run."""
        ended = [host for host in self._failed if host in stats.failures or host in stats.dark]
        last = self._name if self._name in ended else next(reversed(ended or list(self._failed)), "")
        return self._failed.get(last)

    def _why_nothing(self) -> str:
        """Returns why a run with exit code 0 did nothing; empty where it did something."""
        if self._stats is None:
            return self._last_output() or "it ended without a result"
        if self._unmatched and not self._touched:
            plays = ", ".join(dict.fromkeys(self._unmatched))
            return (
                f"nothing was done: no play matches {self._name}, the only host "
                f"(no host matched: {plays}); use hosts: all"
            )
        return ""

    def _last_output(self) -> str:
        return shown("\n".join(self._printed).strip())

    def _progress(self, data: AnsibleEventData) -> None:
        found = _PERCENT.search(str(data.res.get("stdout", "")))
        if found is not None:
            self._percent(min(100, int(found[1])))

    def _print(self, text: str) -> None:
        self._printed = [*self._printed, *(line for line in text.splitlines() if line.strip())][-_QUIET:]


def message_of(result: Mapping[str, Any]) -> str:
    """Returns the message of a failed task on one line, without secrets; for a task with `no_log` nothing of it."""
    if "censored" in result:
        return "it has no message (no_log)"
    message = str(result.get("msg") or result.get("reason") or "").strip()
    printed = str(result.get("stderr") or result.get("stdout") or "").strip() if "rc" in result else ""
    if printed:
        message = f"exit {result['rc']}: {printed}"
    return shown(" ".join(message.split())) or "it printed nothing"
