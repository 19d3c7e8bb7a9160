"""Controller and agent of different versions: a Machine as an older controller and an older agent have written it, and what
the present ones write, which has all that the older ones read.

`recorded/` was written by the code of the commit before migration 0008.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fleet.core.objects.machine import Ask, Machine, Request, Units, Work
from fleet.core.releases.release import Release
from fleet.core.rollout.action import Result, Stage
from fleet.kube.actions.machine_client import decoded, status
from tests.kube_fake.server import ApiServer
from tests.unit.kube.test_executor import NAME, ActionSender, scenario
from tests.unit.kube.test_machine_client import merged

WRITTEN = (Path(__file__).parent / "recorded/machine_0007.json").read_bytes()
RECORDED: dict[str, Any] = json.loads(WRITTEN)
OLD, NEW = Release("1.0", "sha256:01", "6.1.0"), Release("2.0", "sha256:02", "6.2.0")
TOKEN = "r-1/n-0001/stage"
MACHINE = Machine(
    NAME,
    request=Request(Ask.STAGE, TOKEN, NEW),
    work=Work(TOKEN, "done", "staged", 100, "b-1", ("r-0/n-0001/reboot",), Units("running", ())),
    os="rpm-ostree",
    booted=NEW,
    rollback=OLD,
    boot_id="b-2",
    kernel="6.2.0",
    kernel_arguments="quiet",
    layered=("vim",),
    units=Units("degraded", ("x.service",)),
    reported=True,
)


def test_object_of_an_older_controller_and_an_older_agent_is_read_whole() -> None:
    """By the agent, what it is asked for; by the controller, what was reported. Nothing newer is taken as known."""
    found = decoded(WRITTEN)
    assert found == MACHINE
    assert (found.etc, found.live_patches) == (None, ())


def test_older_controller_finds_all_that_it_reads_in_the_report_of_the_present_agent() -> None:
    assert lacking(RECORDED["status"], merged(status(MACHINE))) == []


def test_older_agent_finds_all_that_it_reads_in_the_request_of_the_present_controller(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        assert (await sender(Stage, token=TOKEN, release=NEW)).result is Result.DONE
        assert lacking(RECORDED["spec"], sender.machine["spec"]) == []

    scenario(tmp_path, story)


def lacking(recorded: Any, written: Any, place: str = "") -> list[str]:
    """Returns where what was recorded is missing, or is another value; keys beside it are newer."""
    if isinstance(recorded, dict) and isinstance(written, dict):
        return [
            each
            for key, value in recorded.items()
            for each in lacking(value, written.get(key), f"{place}/{key}")
        ]
    return [] if recorded == written else [place]
