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


def test_a_job_is_awaited_and_leaves_nothing() -> None:
    found = host()
    ran = asyncio.run(finish(found, TOKEN, PULL))
    assert ran.succeeded
    assert ran.stdout == "10% 90% pulled 2.0\n"
    assert not found.jobs
    assert not found.ended


def test_a_failed_job_answers_its_exit_code_and_its_words() -> None:
    found = host()
    found.programs["pull"] = lambda argv: (5, "", "No space left on device\n")
    ran = asyncio.run(finish(found, TOKEN, PULL))
    assert ran.code == 5
    assert "No space left" in ran.message


def test_one_that_was_left_alone_is_found_again_and_not_begun_twice() -> None:
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


def test_a_lost_connection_is_for_the_caller_to_try_again() -> None:
    found = host()
    found.lose_once = True
    with pytest.raises(LostError):
        asyncio.run(finish(found, TOKEN, PULL))
    assert asyncio.run(finish(found, TOKEN, PULL)).succeeded
    assert found.started == [PULL]


def test_one_that_went_with_its_boot_has_not_failed_but_is_begun_again_by_the_caller() -> None:
    """Its connection may be made anew between two looks: then nobody is told that the machine was away."""

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


def test_one_that_somebody_stops_has_failed_and_says_so() -> None:
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
def test_one_that_is_killed_has_failed_also_where_systemd_takes_the_signal_for_a_good_end(
    number: int,
) -> None:
    found = host()
    found.programs["pull"] = lambda argv: (-number, "", "")
    ran = asyncio.run(finish(found, TOKEN, PULL))
    assert ran.code == -number
    assert "ended by systemd" in ran.message


def test_progress_is_what_the_output_tells_so_far() -> None:
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


def test_an_answer_of_systemctl_that_is_not_whole_is_refused() -> None:
    with pytest.raises(MachineError, match="SubState"):
        job.parse_state("LoadState=loaded\nActiveState=active\nResult=success\n")
