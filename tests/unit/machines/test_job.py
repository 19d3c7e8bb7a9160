"""A long command outlives whoever started it, and is found again by its token."""

from __future__ import annotations

import asyncio
import signal

import pytest

from fleet.machines import job
from fleet.machines.errors import MachineError
from fleet.machines.host import LostError
from fleet.machines.job import finish, unit_of
from tests.unit.machines.fakehost import FakeHost, until

TOKEN = "r-1/n-1/stage/0"
PULL = ("pull", "2.0")


def host() -> FakeHost:
    found = FakeHost()
    found.programs["pull"] = lambda argv: (0, f"10% 90% pulled {argv[0]}\n", "")
    return found


def test_job_is_awaited_and_leaves_nothing() -> None:
    found = host()
    ran = asyncio.run(finish(found, TOKEN, PULL))
    assert ran.succeeded
    assert ran.stdout == "10% 90% pulled 2.0\n"
    assert not found.jobs
    assert not found.ended


def test_failed_job_returns_its_exit_code_and_output() -> None:
    found = host()
    found.programs["pull"] = lambda argv: (5, "", "No space left on device\n")
    ran = asyncio.run(finish(found, TOKEN, PULL))
    assert ran.code == 5
    assert "No space left" in ran.message


def test_detached_job_is_found_again_and_not_started_twice() -> None:
    async def story() -> None:
        found = host()
        found.hold_jobs = True
        first = asyncio.create_task(finish(found, TOKEN, PULL, look=0.001))
        await until(lambda: bool(found.jobs))
        first.cancel()
        await asyncio.wait({first})
        second = asyncio.create_task(finish(found, TOKEN, PULL, look=0.001))
        await asyncio.sleep(0.01)
        assert not second.done()
        found.end_jobs()
        assert (await second).succeeded
        assert found.started == [PULL]

    asyncio.run(story())


def test_lost_connection_is_left_to_the_caller_to_retry() -> None:
    found = host()
    found.lose_once = True
    with pytest.raises(LostError):
        asyncio.run(finish(found, TOKEN, PULL))
    assert asyncio.run(finish(found, TOKEN, PULL)).succeeded
    assert found.started == [PULL]


def test_job_lost_with_its_boot_has_not_failed_and_is_started_again() -> None:
    """Its connection may be opened again between two observations: then nothing shows that the machine was away."""

    async def story() -> None:
        found = host()
        found.hold_jobs = True
        work = asyncio.create_task(finish(found, TOKEN, PULL, look=0.001))
        await until(lambda: bool(found.jobs))
        found.boot()
        with pytest.raises(LostError, match="rebooted while pull ran"):
            await work
        found.hold_jobs = False
        assert (await finish(found, TOKEN, PULL)).succeeded
        assert found.started == [PULL, PULL]

    asyncio.run(story())


def test_stopped_job_has_failed_and_reports_it() -> None:
    async def story() -> None:
        found = host()
        found.hold_jobs = True
        work = asyncio.create_task(finish(found, TOKEN, PULL, look=0.001))
        await until(lambda: bool(found.jobs))
        found.stop_jobs()
        ran = await work
        assert ran.code == 1
        assert "was stopped before it had ended" in ran.message

    asyncio.run(story())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_job_has_failed_even_if_systemd_counts_the_signal_as_success(
    number: int,
) -> None:
    found = host()
    found.programs["pull"] = lambda argv: (-number, "", "")
    ran = asyncio.run(finish(found, TOKEN, PULL))
    assert ran.code == -number
    assert "ended by systemd" in ran.message


def test_progress_is_the_output_so_far() -> None:
    async def story() -> list[int]:
        found = host()
        found.hold_jobs = True
        percents: list[int] = []
        work = asyncio.create_task(
            finish(found, TOKEN, PULL, percents.append, lambda text: len(text) * 10, look=0.001)
        )
        await until(lambda: bool(found.jobs))
        found.files[f"{job.FOLDER}/{unit_of(TOKEN)}.out"] = "four"
        await until(lambda: 40 in percents)
        found.end_jobs()
        await work
        return percents

    assert asyncio.run(story())[0] == 0


def test_tokens_with_odd_characters_have_units_of_their_own() -> None:
    assert unit_of("r-1/ä b/stage/0") != unit_of("r-1/ä b/stage/1")
    assert unit_of("r-1/ä b/stage/0").replace("fleet-", "").replace(".service", "").isalnum()


def test_incomplete_answer_of_systemctl_is_refused() -> None:
    with pytest.raises(MachineError, match="SubState"):
        job.parse_state("LoadState=loaded\nActiveState=active\nResult=success\n")
