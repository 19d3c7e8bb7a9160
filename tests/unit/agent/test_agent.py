"""An agent on a machine and an API server that hold state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from fleet.core.objects.machine import (
    MESSAGE_MOST,
    NAME_MOST,
    Ask,
    EtcChanges,
    LogAnswer,
    LogAsk,
    Machine,
    Units,
    Work,
)
from fleet.core.releases.release import Release
from fleet.machines.host import CommandResult
from tests.unit.agent.world import NEW, OLD, QUICK, World, story


def answered(token: str, state: str) -> Callable[[Machine], bool]:
    def reported(machine: Machine) -> bool:
        answer = machine.answer(token)
        return answer is not None and answer.state == state

    return reported


async def turns_of_the_loop(steps: int) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)


def test_agent_reports_without_a_request() -> None:
    async def scenario(world: World) -> None:
        world.start()
        machine = await world.api.until(lambda machine: machine.reported)
        assert (machine.os, machine.booted, machine.boot_id, machine.kernel) == ("box", OLD, "boot-1", "6.1")
        assert machine.work is None

    story(scenario)


def test_change_of_the_machine_is_reported_at_the_next_look() -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.api.until(lambda machine: machine.reported)
        world.box.staged = NEW
        await world.kill()
        world.start()
        await world.api.until(lambda machine: machine.staged == NEW)

    story(scenario)


def test_stage_and_reboot_end_in_the_release_with_one_reboot() -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        machine = await world.api.until(answered("t1", "done"))
        assert (machine.booted, machine.staged, machine.boot_id) == (OLD, NEW, "boot-1")
        await world.api.ask(Ask.REBOOT, "t2")
        await world.reboot_happens()
        machine = await world.api.until(answered("t2", "done"))
        assert (machine.booted, machine.rollback, machine.boot_id) == (NEW, OLD, "boot-2")
        assert world.box.good == [NEW.version]
        await world.settled()
        assert (world.box.stagings, world.box.reboots_asked, world.box.boots) == (1, 1, 2)

    story(scenario)


def test_working_is_written_before_the_machine_is_changed() -> None:
    async def scenario(world: World) -> None:
        world.box.stage_goes_on.clear()
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        await world.box.staging.wait()
        assert world.api.machine.work is not None
        assert (world.api.machine.work.state, world.api.machine.work.boot_id) == ("working", "boot-1")
        await world.api.until(lambda machine: machine.work is not None and machine.work.percent == 40)

    story(scenario)


def test_answered_token_is_never_carried_out_again() -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        await world.api.until(answered("t1", "done"))
        world.box.staged = None
        await world.kill()
        world.start()
        await world.api.until(lambda machine: machine.staged is None)
        await world.settled()
        assert world.box.stagings == 1

    story(scenario)


def test_old_token_is_refused() -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        await world.api.until(answered("t1", "done"))
        await world.api.ask(Ask.REBOOT, "t2")
        await world.reboot_happens()
        await world.api.until(answered("t2", "done"))
        await world.api.ask(Ask.STAGE, "t3", OLD)
        await world.api.until(answered("t3", "done"))
        await world.api.ask(Ask.REBOOT, "t2", OLD)
        machine = await world.api.until(answered("t2", "failed"))
        assert machine.work is not None and "not acted upon again" in machine.work.message
        await world.settled()
        assert world.box.boots == 2

    story(scenario)


def test_killed_stage_starts_again() -> None:
    async def scenario(world: World) -> None:
        world.box.stage_goes_on.clear()
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        await world.box.staging.wait()
        await world.kill()
        world.box.stage_goes_on.set()
        world.start()
        await world.api.until(answered("t1", "done"))
        assert (world.box.staged, world.box.stagings) == (NEW, 2)

    story(scenario)


def test_agent_killed_before_the_reboot_asks_for_the_same_reboot_again() -> None:
    async def scenario(world: World) -> None:
        world.box.staged = NEW
        work = Work("t1", "working", boot_id="boot-1")
        await world.api.put(replace(world.api.machine, work=work))
        await world.api.ask(Ask.REBOOT, "t1")
        world.start()
        await world.reboot_happens()
        machine = await world.api.until(answered("t1", "done"))
        assert machine.boot_id == "boot-2"
        assert world.box.reboots_asked == 1

    story(scenario)


def test_reboot_that_happened_is_done_whoever_asked_for_it() -> None:
    async def scenario(world: World) -> None:
        world.box.staged = NEW
        work = Work("t1", "working", boot_id="boot-1")
        await world.api.put(replace(world.api.machine, work=work))
        await world.api.ask(Ask.REBOOT, "t1")
        world.box.boot()
        world.start()
        machine = await world.api.until(answered("t1", "done"))
        assert machine.work is not None and machine.work.message == "booted 2.0"
        await world.settled()
        assert (world.box.boots, world.box.reboots_asked) == (2, 0)

    story(scenario)


def test_machine_that_boots_the_old_deployment_reports_it() -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        await world.api.until(answered("t1", "done"))
        await world.api.ask(Ask.REBOOT, "t2")
        await world.box.rebooting.wait()
        world.box.staged = None
        await world.reboot_happens()
        machine = await world.api.until(answered("t2", "done"))
        assert machine.work is not None and machine.work.message == "booted 1.0"
        assert machine.booted == OLD

    story(scenario)


def test_reboot_into_another_release_than_requested_is_refused() -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.api.ask(Ask.REBOOT, "t1", NEW)
        machine = await world.api.until(answered("t1", "failed"))
        assert machine.work is not None and machine.work.message == "1.0 would boot, not 2.0"
        assert world.box.reboots_asked == 0

    story(scenario)


def test_message_of_a_failure_is_reported() -> None:
    async def scenario(world: World) -> None:
        world.box.stage_error = "error: No space left on device"
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        machine = await world.api.until(answered("t1", "failed"))
        assert machine.work is not None and machine.work.message == "error: No space left on device"
        world.box.staged, world.box.reboot_error = NEW, "Call to Reboot failed: operation inhibited"
        await world.api.ask(Ask.REBOOT, "t2")
        machine = await world.api.until(answered("t2", "failed"))
        assert (
            machine.work is not None and machine.work.message == "Call to Reboot failed: operation inhibited"
        )

    story(scenario)


def test_withdrawn_request_ends_the_stage() -> None:
    async def scenario(world: World) -> None:
        world.box.stage_goes_on.clear()
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        await world.box.staging.wait()
        await world.api.clear()
        await world.settled()
        world.box.stage_goes_on.set()
        await world.settled()
        assert world.box.staged is None

    story(scenario)


def test_new_request_replaces_a_running_stage() -> None:
    async def scenario(world: World) -> None:
        world.box.stage_goes_on.clear()
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        await world.box.staging.wait()
        await world.api.ask(Ask.STAGE, "t2", replace(NEW, version="3.0", digest="sha256:03"))
        world.box.stage_goes_on.set()
        machine = await world.api.until(answered("t2", "done"))
        assert machine.staged is not None and machine.staged.version == "3.0"
        assert machine.work is not None and machine.work.earlier == ("t1",)

    story(scenario)


def test_rollback_boots_the_previous_release() -> None:
    async def scenario(world: World) -> None:
        world.box.booted, world.box.rollback = NEW, OLD
        world.start()
        await world.api.ask(Ask.ROLLBACK, "t1", OLD)
        await world.reboot_happens()
        machine = await world.api.until(answered("t1", "done"))
        assert (machine.booted, machine.rollback, world.box.reboots_asked) == (OLD, NEW, 1)

    story(scenario)


def test_unavailable_api_server_is_waited_for() -> None:
    async def scenario(world: World) -> None:
        world.box.stage_goes_on.clear()
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        await world.box.staging.wait()
        world.api.cut_off = True
        world.box.stage_goes_on.set()
        await world.settled()
        assert world.api.machine.work is not None and world.api.machine.work.state == "working"
        world.api.cut_off = False
        await world.api.until(answered("t1", "done"))
        assert world.box.stagings == 1

    story(scenario)


def test_lost_answer_causes_no_second_action() -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.api.until(lambda machine: machine.reported)
        world.box.staged = NEW
        world.api.lose_answers = 1
        await world.api.ask(Ask.REBOOT, "t1")
        await world.reboot_happens()
        await world.api.until(answered("t1", "done"))
        await world.settled()
        assert (world.box.boots, world.box.reboots_asked) == (2, 1)

    story(scenario)


def test_conflict_is_read_again_before_acting() -> None:
    """A request that was withdrawn between the agent's read and its report is not carried out."""

    async def scenario(world: World) -> None:
        world.start()
        await world.api.until(lambda machine: machine.reported)
        world.box.staged = NEW
        world.api.taken_back_before_write = True
        await world.api.ask(Ask.REBOOT, "t1")
        await world.settled()
        assert world.api.machine.request is None
        assert world.box.reboots_asked == 0

    story(scenario)


def test_unchanged_machine_is_not_written() -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.api.until(lambda machine: machine.reported)
        writes = len(world.api.written)
        await world.kill()
        world.start()
        await world.settled()
        assert len(world.api.written) == writes == 1

    story(scenario)


@pytest.mark.parametrize("steps", range(60))
def test_killed_at_any_time_the_machine_still_reboots_once(steps: int) -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        await turns_of_the_loop(steps)
        await world.kill()
        world.start()
        await world.api.until(answered("t1", "done"))
        await world.api.ask(Ask.REBOOT, "t2")
        await turns_of_the_loop(steps)
        await world.kill()
        world.start()
        await world.reboot_happens()
        await turns_of_the_loop(steps)
        await world.kill()
        world.start()
        machine = await world.api.until(answered("t2", "done"))
        await world.settled()
        assert (machine.booted, machine.boot_id, world.box.boots) == (NEW, "boot-2", 2)
        assert not world.box.rebooting.is_set()

    story(scenario)


def test_units_that_failed_before_the_reboot_are_remembered() -> None:
    async def scenario(world: World) -> None:
        world.box.units = Units("degraded", ("smartd.service",))
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        machine = await world.api.until(answered("t1", "done"))
        assert machine.units == world.box.units
        assert machine.work is not None and machine.work.units is None
        await world.api.ask(Ask.REBOOT, "t2")
        world.box.units_after_boot = Units("degraded", ("gateway.service", "smartd.service"))
        await world.reboot_happens()
        machine = await world.api.until(answered("t2", "done"))
        assert machine.work is not None and machine.work.units == Units("degraded", ("smartd.service",))
        assert machine.units == world.box.units_after_boot

    story(scenario)


def test_unit_that_fails_late_is_reported_without_a_request() -> None:
    async def scenario(world: World) -> None:
        world.box.units = Units("starting")
        world.start()
        await world.api.until(lambda machine: machine.units == Units("starting"))
        world.box.units = Units("running")
        await world.api.until(lambda machine: machine.units == Units("running"))
        await world.settled()
        assert len(world.api.written) == 2

    story(scenario)


def test_reports_are_bounded_and_have_no_secrets() -> None:
    async def scenario(world: World) -> None:
        world.box.units = Units("degraded", tuple(f"{number:03d}.service" for number in range(200)))
        world.box.layered = tuple(f"package-{number}" for number in range(1000))
        world.box.kernel_arguments = "password=geheim " + "quiet " * 2000
        world.start()
        machine = await world.api.until(lambda machine: machine.reported)
        assert machine.units is not None and len(machine.units.failed) == 64
        assert (len(machine.layered), len(machine.kernel_arguments)) == (256, 4096)
        assert machine.kernel_arguments.startswith("password=[hidden] quiet")

    story(scenario)


def test_changed_files_are_cut_to_the_bounds_of_the_schema_and_counted() -> None:
    async def scenario(world: World) -> None:
        names = [f"A file-{number:03d}" for number in range(200)]
        world.box.etc = EtcChanges((f"A {'x' * 300}", "A token=geheim", *names), 5)
        world.start()
        machine = await world.api.until(lambda machine: machine.reported)
        assert machine.etc is not None
        assert machine.etc.changed == ("A token=[hidden]", *names[:127])
        assert machine.etc.more == 5 + 1 + 73

    story(scenario)


def test_machine_on_which_nothing_happens_is_observed_slowly() -> None:
    async def scenario(world: World) -> None:
        world.pace = replace(QUICK, looks=(0.001,), slow=0.001)
        world.start()
        await world.api.until(lambda machine: machine.reported)
        for number in range(3):
            world.box.etc = EtcChanges((f"M file-{number}",))
            await world.api.until(lambda machine: machine.etc == world.box.etc)

    story(scenario)


def test_program_output_in_a_failure_has_no_secrets() -> None:
    async def scenario(world: World) -> None:
        ran = CommandResult(
            ("bootc", "switch"), 1, stderr="Get https://ada:geheim@registry.example/v2: no such host"
        )
        world.box.stage_error = f"{ran.message}; token=geheim"
        world.box.log_error = "password: geheim"
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        machine = await world.api.until(answered("t1", "failed"))
        assert machine.work is not None and "registry.example" in machine.work.message
        assert "geheim" not in ran.message + machine.work.message
        await ask_log(world, LogAsk("log/1"))
        machine = await world.api.until(lambda machine: machine.log_told is not None)
        assert machine.log_told == LogAnswer("log/1", error="password: [hidden]")

    story(scenario)


def test_rolled_back_machine_reports_the_log_of_the_failed_boot() -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        await world.api.until(answered("t1", "done"))
        await world.api.ask(Ask.REBOOT, "t2")
        async with asyncio.timeout(5):
            await world.box.rebooting.wait()
        world.box.staged = None
        await world.reboot_happens()
        machine = await world.api.until(answered("t2", "done"))
        assert machine.work is not None and machine.booted == OLD
        assert machine.work.log == "the boot after boot-1 failed\n"

    story(scenario)


def test_unreadable_log_does_not_delay_the_report_of_a_rollback() -> None:
    async def scenario(world: World) -> None:
        world.box.log_error = "the journal is not kept"
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        await world.api.until(answered("t1", "done"))
        await world.api.ask(Ask.REBOOT, "t2")
        async with asyncio.timeout(5):
            await world.box.rebooting.wait()
        world.box.staged = None
        await world.reboot_happens()
        machine = await world.api.until(answered("t2", "done"))
        assert machine.work is not None and "the journal is not kept" in machine.work.log

    story(scenario)


async def ask_log(world: World, ask: LogAsk | None) -> None:
    await world.api.put(replace(world.api.machine, log_ask=ask))


def test_requested_log_is_reported_and_removed_when_it_was_read() -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.api.until(lambda machine: machine.reported)
        await ask_log(world, LogAsk("log/1", "kubelet.service", 7))
        machine = await world.api.until(lambda machine: machine.log_told is not None)
        assert machine.log_told == LogAnswer("log/1", "7 lines of kubelet.service\n")
        world.box.log_error = "the journal has no earlier boot"
        await ask_log(world, LogAsk("log/2"))
        machine = await world.api.until(
            lambda machine: machine.log_told is not None and bool(machine.log_told.error)
        )
        assert machine.log_told == LogAnswer("log/2", error="the journal has no earlier boot")
        await ask_log(world, None)
        await world.api.until(lambda machine: machine.log_told is None)
        written = len(world.api.written)
        await world.settled()
        assert (len(world.api.written), world.api.machine.work) == (written, None)

    story(scenario)


def test_log_is_reported_during_a_stage_and_does_not_disturb_it() -> None:
    async def scenario(world: World) -> None:
        world.box.stage_goes_on.clear()
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        await world.box.staging.wait()
        await ask_log(world, LogAsk("log/1"))
        machine = await world.api.until(lambda machine: machine.log_told is not None)
        assert machine.work is not None and machine.work.state == "working"
        world.box.stage_goes_on.set()
        machine = await world.api.until(answered("t1", "done"))
        assert (world.box.stagings, machine.staged, machine.log_told) == (
            1,
            NEW,
            LogAnswer("log/1", "100 lines of all\n"),
        )

    story(scenario)


def test_machine_that_cannot_be_observed_reports_its_log() -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.api.until(lambda machine: machine.reported)
        world.box.look_error = "no /boot/loader directory"
        await ask_log(world, LogAsk("log/1"))
        await world.api.until(lambda machine: machine.log_told is not None)

    story(scenario)


@pytest.mark.parametrize(
    "fault", [TypeError("no list"), KeyError("id"), RecursionError(), ValueError("4301 digits")]
)
def test_unexpected_error_is_that_machines_failure_and_the_agent_continues(
    fault: Exception,
) -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.api.until(lambda machine: machine.reported)
        world.box.stage_goes_on.clear()
        await world.api.ask(Ask.STAGE, "t1")
        await world.box.staging.wait()
        world.box.fault = fault
        world.box.stage_goes_on.set()
        await world.settled()
        world.box.fault = None
        machine = await world.api.until(answered("t1", "failed"))
        assert machine.work is not None and type(fault).__name__ in machine.work.message
        await world.api.ask(Ask.STAGE, "t2")
        await world.api.until(answered("t2", "done"))

    story(scenario)


def test_endless_output_is_cut_to_what_the_api_server_accepts() -> None:
    async def scenario(world: World) -> None:
        world.box.booted = Release("9" * 5000, "sha256:" + "a" * 5000, "6" * 5000)
        world.box.stage_error = "no room " * 5000
        world.start()
        await world.api.ask(Ask.STAGE, "t1")
        machine = await world.api.until(answered("t1", "failed"))
        assert machine.booted is not None and machine.work is not None
        reported = (machine.booted.version, machine.booted.digest, machine.booted.kernel, machine.kernel)
        assert {len(each) for each in reported} == {NAME_MOST}
        assert len(machine.work.message) == MESSAGE_MOST

    story(scenario)
