"""Faults of a hostile host: it reports garbage, endless text, boots that it did not have, work that it has not done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Literal

from msgspec.structs import replace

from fleet.core.objects.machine import (
    LAYERED_MOST,
    LOG_MOST,
    MESSAGE_MOST,
    NAME_MOST,
    UNITS_MOST,
    Machine,
    Units,
    Work,
)
from fleet.core.objects.node import Node
from fleet.core.releases.release import Release
from fleet.lab.simulation.builders import START
from fleet.lab.simulation.world import World
from fleet.model.model import Model

RARELY = 1800.0
"""Seconds between two false reports of a host that never stops, once the first minutes are over."""
OFTEN = 40
"""How many false reports come soon after each other."""


def lie(world: World, model: Model, node: Node, rng: Random) -> str:
    """Makes a host report what is not true, for a while or for ever."""
    kind = rng.choice(list(LIES))
    pause = rng.choice([0.3, 2.0, 15.0, 60.0])
    ever = rng.random() < 0.4
    count = rng.randint(2, OFTEN)
    honest = _machine(model, node.name)
    if honest is None:
        return ""

    def report(number: int) -> None:
        now = _machine(model, node.name)
        if now is None or now.uid != honest.uid:
            return
        over = number >= count
        world.checker.note_false_report(model.cluster, node.name)
        if over and not ever:
            model.stranger.put_machine(replace(now, **_own(honest, now)))
            return
        model.stranger.put_machine(LIES[kind](now, rng))
        world.later(world.at + (RARELY if over else pause), lambda: report(number + 1))

    report(0)
    return f"{node.name} tells {kind} {'for ever' if ever else f'{count} times'}, every {pause:.1f} s"


def _machine(model: Model, name: str) -> Machine | None:
    return next((machine for machine in model.snapshot(START).machines if machine.name == name), None)


def _own(honest: Machine, now: Machine) -> dict[str, object]:
    """Returns the fields that an agent reports correctly at its next observation, except those of a boot since."""
    return {
        "os": honest.os,
        "layered": honest.layered,
        "live_patches": honest.live_patches,
        "units": honest.units,
        "kernel_arguments": honest.kernel_arguments,
        "boot_id": honest.boot_id if now.boot_id.startswith(_BOOT) else now.boot_id,
        "booted": honest.booted if now.booted == _GARBAGE else now.booted,
        "staged": None if now.staged == _GARBAGE else now.staged,
    }


_BOOT = "a boot that never was "
_GARBAGE = Release("\x1b[31m\u202e" + "0" * (NAME_MOST - 6), "sha256:")
_LONG = "x" * NAME_MOST


def _garbage(machine: Machine, rng: Random) -> Machine:
    return replace(machine, os="\x00", kernel="\u202e", booted=_GARBAGE, staged=rng.choice([None, _GARBAGE]))


def _versions(machine: Machine, rng: Random) -> Machine:
    """Reports a boot that did not happen, and then the true one."""
    other = machine.rollback or Release("0.0")
    return replace(machine, booted=other, rollback=machine.booted)


def _boots(machine: Machine, rng: Random) -> Machine:
    return replace(machine, boot_id=f"{_BOOT}{rng.getrandbits(64):x}")


def _endless(machine: Machine, rng: Random) -> Machine:
    failed = tuple(f"{_LONG[:-10]}{number:02}.service" for number in range(UNITS_MOST))
    units = rng.choice([Units("maintenance"), Units("degraded", failed), Units("\x00", failed[:1])])
    work = machine.work
    if work is not None:
        work = replace(
            work,
            message="x" * MESSAGE_MOST,
            log="x" * LOG_MOST,
            percent=rng.choice([-1, 10**9]),
            earlier=(_LONG,) * 16,
        )
    return replace(machine, layered=(_LONG,) * LAYERED_MOST, units=units, work=work)


def _work(machine: Machine, rng: Random) -> Machine:
    """Reports work as done that was not done, as failed that was not tried, or work that was not requested."""
    request = machine.request
    token = request.token if request is not None and rng.random() < 0.7 else f"r-9/nobody/{rng.randrange(9)}"
    state: Literal["working", "done", "failed"] = rng.choice(["working", "done", "failed"])
    return replace(machine, work=Work(token, state, "\x00" * 9, rng.randint(-5, 500), machine.boot_id))


LIES: Mapping[str, Callable[[Machine, Random], Machine]] = {
    "garbage": _garbage,
    "other versions": _versions,
    "other boots": _boots,
    "endless words": _endless,
    "work that it has not done": _work,
}
