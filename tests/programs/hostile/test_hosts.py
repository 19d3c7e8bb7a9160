"""Whatever a host answers, the result is a value or a FleetError of that host: for every parser and every family."""

from __future__ import annotations

import asyncio
import inspect
import pkgutil
import traceback
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

import fleet.hosts
import fleet.machines
from fleet.core.objects.machine import MESSAGE_MOST
from fleet.core.records.errors import FleetError, UnreachableError
from fleet.core.releases.release import Release
from fleet.hosts import facts, hooks, ownership
from fleet.hosts.inventory.inventory import HostHook
from fleet.machines import job
from fleet.machines.agent.boot_log import JournalctlBootLog
from fleet.machines.ansible.events import AnsibleEvents, message_of
from fleet.machines.ansible.facts import observation
from fleet.machines.ansible.playbook import log_in
from fleet.machines.competing_updaters import find_competing_updaters
from fleet.machines.families.detect import detect
from fleet.machines.families.family import Family
from fleet.machines.families.registry import FAMILIES, connect
from fleet.machines.host import CommandResult, Host
from tests.hostile import ANSWERS

TEXTS = {name: content.decode("utf-8", "replace") for name, content in ANSWERS.items()}
NEW = Release("1.1", f"sha256:{'b' * 64}")
MOST_ASKED = 40
"""Commands after which the host is gone: what waits for another answer would wait for ever."""


OWN = {"access", "openssh", "settings", "inventory"}
"""Modules that read a person's own files."""


def parsers() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function whose parameters are texts alone, one of them the output of a machine."""
    for package in (fleet.machines, fleet.hosts):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = import_module(found.name)
            for name, each in inspect.getmembers(module, inspect.isfunction):
                texts = {part.name for part in _needed(each) if part.annotation == "str"}
                own = each.__module__ == module.__name__ and not name.startswith("_")
                reads = "text" in texts and len(texts) == len(_needed(each))
                if own and reads and found.name.rpartition(".")[2] not in OWN:
                    yield f"{module.__name__}.{name}", each


def module_of(name: str) -> str:
    """The module of the family of this name."""
    return FAMILIES[name].recognizes.__module__.rpartition(".")[2]


def _needed(function: Callable[..., Any]) -> list[inspect.Parameter]:
    found = inspect.signature(function).parameters.values()
    return [each for each in found if each.default is inspect.Parameter.empty]


PARSERS = dict(parsers())


def test_parsers_of_all_families_are_covered() -> None:
    families = {
        name.rpartition(".")[0].rpartition(".")[2] for name in PARSERS if ".machines.families." in name
    }
    families |= {name.removesuffix("_status") for name in families}
    assert {module_of(name) for name in FAMILIES} <= families
    assert len(PARSERS) > 25


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
def test_parser_returns_a_value_or_raises_a_fleet_error(parser: Callable[..., Any]) -> None:
    for name, text in TEXTS.items():
        try:
            parser(*[text] * len(_needed(parser)))
        except FleetError as refused:
            assert is_short(refused), name
        except Exception as error:
            pytest.fail(f"{name}: {type(error).__name__}", pytrace=False)


def is_short(refused: FleetError) -> bool:
    return 0 < len(refused.message) <= MESSAGE_MOST


class Hostile:
    """Answers each command alike, until it has had enough."""

    def __init__(self, text: str, code: int) -> None:
        self._text = text
        self._code = code
        self._asked = 0

    async def run(self, argv: Sequence[str], seconds: float = 60.0) -> CommandResult:
        self._asked += 1
        if self._asked > MOST_ASKED:
            raise UnreachableError("it is gone")
        return CommandResult(tuple(argv), self._code, self._text, self._text if self._code else "")


async def _answered(name: str, asked: Callable[[], Any]) -> None:
    try:
        await asked()
    except FleetError as refused:
        assert is_short(refused), name
    except Exception as error:
        trace = "".join(traceback.format_tb(error.__traceback__)[-3:])
        pytest.fail(f"{name}: {type(error).__name__}\n{trace}", pytrace=False)


def _every_answer(scenario: Callable[[Host], list[Callable[[], Any]]]) -> None:
    async def story() -> None:
        for name, text in TEXTS.items():
            for code in (0, 1, 44):
                for number in range(len(scenario(Hostile(text, code)))):
                    await _answered(name, scenario(Hostile(text, code))[number])

    asyncio.run(story())


@pytest.mark.parametrize("name", FAMILIES)
def test_os_family_handles_any_output_of_its_host(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module(f"fleet.machines.families.{module_of(name)}")
    for slow in (module, job):
        if hasattr(slow, "LOOK"):
            monkeypatch.setattr(slow, "LOOK", 0.0)

    def scenario(host: Host) -> list[Callable[[], Any]]:
        family: Family = connect(name, host, "https://updates.example/{version}.raucb", "n-1")
        return [
            family.observe,
            lambda: family.stage(NEW, lambda _: None, "t"),
            family.reboot,
            family.roll_back,
            family.mark_good,
        ]

    _every_answer(scenario)


def test_probes_beside_the_release_handle_any_output() -> None:
    _every_answer(
        lambda host: [
            lambda: facts.read_facts(host),
            lambda: ownership.take(host, ownership.Claim("f", "here")),
            lambda: detect(host),
            lambda: find_competing_updaters(host),
            lambda: job.finish(host, "t", ("true",), lambda _: None, look=0.0),
            lambda: hooks.ready(HostHook("true"), host, {}),
            lambda: JournalctlBootLog(host).last_boot(known="b"),
        ]
    )


def test_what_a_host_reports_of_itself_is_bounded() -> None:
    long = "x" * 100_000
    reported = f'boot_id=b\nmachine_id=m\nkernel={long}\nstate={long}\nclaim={{"fleet":"{long}"}}\n'
    found = facts.parse(f"{reported}os-release\nID=x\nPRETTY_NAME={long}")
    assert len(msgspec.json.encode(found)) < 2000


def test_every_event_of_a_playbook_is_reported_or_ignored() -> None:
    account = AnsibleEvents("n-1", lambda _: None, lambda _: None)
    for content in ANSWERS.values():
        for line in content.split(b"\n")[:100]:
            account.see(line)
        played = account.end(0)
        assert len(played.message) < 2000


def test_facts_of_a_playbook_are_an_observation_or_refused() -> None:
    for content in ANSWERS.values():
        try:
            reported = msgspec.json.decode(content)
        except (ValueError, RecursionError):
            reported = content.decode("utf-8", "replace")
        for now in (reported, {"os": reported, "boot_id": reported, "kernel": reported, "booted": reported}):
            try:
                observation({"fleet_now": now})
            except FleetError as refused:
                assert is_short(refused)
        message_of({"msg": reported, "rc": reported, "stderr": reported, "reason": reported})


def test_log_fetched_by_a_playbook_is_reported_or_refused(tmp_path: Path) -> None:
    for content in ANSWERS.values():
        for each in ("boots", "boot-1.log"):
            (tmp_path / each).write_bytes(content)
        try:
            assert len(log_in(tmp_path, "known")) <= 10_000
        except FleetError as refused:
            assert is_short(refused)
