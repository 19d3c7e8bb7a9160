"""Hooks that are programs: what they are given, what is kept of them, and that none of their processes is left."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.core.policy.hooks.hook import CommandHook
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.state.hook_calls import HookAnswer
from fleet.hooks.program import run_program
from tests.programs.hooks.calls import FACTS, a_call

SECONDS = 60.0


def shell(script: str, **changes: object) -> CommandHook:
    hook = CommandHook(name="h", command=("/bin/sh", "-c", script))
    return replace(hook, **changes)


def ran(hook: CommandHook) -> HookAnswer:
    return asyncio.run(run_program(a_call(hook), hook))


def is_alive(pid: int) -> bool:
    """Returns whether the process runs; one that has ended and has not been waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_exit_code_zero_passes_and_any_other_fails() -> None:
    passed, failed = ran(shell("echo well")), ran(shell("echo broken >&2; exit 3"))
    assert (passed.result, passed.output) == (HookResult.PASSED, "well")
    assert (failed.result, failed.output) == (HookResult.FAILED, "broken")
    assert "3" in failed.message and "broken" in failed.message


def test_program_that_is_not_there_fails() -> None:
    answer = ran(CommandHook(name="h", command=("/no/such/program",)))
    assert answer.result is HookResult.FAILED and "/no/such/program" in answer.message


def test_facts_are_data_and_never_a_part_of_a_command(tmp_path: Path) -> None:
    answer = ran(shell('printf %s "$FLEET_NODE"'))
    assert answer.output == FACTS["FLEET_NODE"]


def test_program_gets_no_variable_of_the_controller_that_the_policy_does_not_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLEET_DATABASE", "postgresql://fleet:hunter2@db/fleet")
    monkeypatch.setenv("AWS_KEY", "abc")
    monkeypatch.setenv("SMTP_SERVER", "mail.example.com")
    answer = ran(shell("env", environment=("SMTP_SERVER",)))
    assert "SMTP_SERVER=mail.example.com" in answer.output and "FLEET_TO=44.2" in answer.output
    assert "hunter2" not in answer.output and "AWS_KEY" not in answer.output


def test_secret_reaches_the_program_and_no_output(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cr3t-value\n")
    hook = shell(
        'test "$TOKEN" = s3cr3t-value && echo "$TOKEN" && cat /proc/$$/cmdline', secrets={"TOKEN": str(file)}
    )
    answer = ran(replace(hook, command=(*hook.command[:2], 'echo "$TOKEN"; exit 4')))
    assert answer.result is HookResult.FAILED
    assert "s3cr3t" not in answer.output + answer.message and "[hidden]" in answer.output
    assert ran(hook).result is HookResult.PASSED


def test_missing_secret_fails_before_anything_runs(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    answer = ran(shell(f"touch {flag}", secrets={"TOKEN": str(tmp_path / "none")}))
    assert answer.result is HookResult.FAILED and "none" in answer.message and not flag.exists()


def test_the_end_of_the_output_is_kept_within_its_limit() -> None:
    answer = ran(shell("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done", output_bytes=100))
    assert len(answer.output.encode()) <= 100 and answer.output.endswith("line 19999")


def test_secret_at_the_edge_of_what_is_kept_is_not_kept_in_part(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("0123456789abcdef")
    answer = ran(shell('echo "$TOKEN"; printf 1234567', secrets={"TOKEN": str(file)}, output_bytes=12))
    assert "cdef" not in answer.output and answer.output.endswith("1234567")


def test_program_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 300 & echo $! >> {pids}; setsid sleep 300 & echo $! >> {pids}; echo begun; wait"
    answer = ran(shell(script, timeout_seconds=2))
    assert answer.result is HookResult.FAILED and answer.output == "begun" and "2s" in answer.message
    assert [pid for pid in pids.read_text().split() if is_alive(int(pid))] == []


def test_program_that_is_stopped_leaves_no_process(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    hook = shell(f"setsid sleep 300 & echo $! > {pids}.new; mv {pids}.new {pids}; wait")

    async def stopped() -> None:
        task = asyncio.create_task(run_program(a_call(hook), hook))
        async with asyncio.timeout(SECONDS):
            while not pids.exists():
                await asyncio.wait({task}, timeout=0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(stopped())
    assert not is_alive(int(pids.read_text()))


def test_what_a_killed_controller_has_left_is_ended_before_the_program_runs_again(tmp_path: Path) -> None:
    """The program of the killed controller is started here, with the same token."""
    hook = shell("echo again")
    call = a_call(hook)

    async def rerun() -> tuple[int, HookAnswer]:
        left = await asyncio.create_subprocess_exec(
            "sleep", "300", env={"FLEET_HOOK_TOKEN": call.token, "PATH": os.environ["PATH"]}
        )
        answer = await run_program(call, hook)
        async with asyncio.timeout(SECONDS):
            return await left.wait(), answer

    code, answer = asyncio.run(rerun())
    assert code < 0 and answer.output == "again"


def test_program_of_another_attempt_is_left_alone() -> None:
    hook = shell("true")

    async def other() -> bool:
        token = a_call(hook, attempt=11).token
        left = await asyncio.create_subprocess_exec(
            "sleep", "300", env={"FLEET_HOOK_TOKEN": token, "PATH": os.environ["PATH"]}
        )
        await run_program(a_call(hook, attempt=1), hook)
        alive = is_alive(left.pid)
        left.kill()
        await left.wait()
        return alive

    assert asyncio.run(other())
