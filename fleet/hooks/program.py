"""Runs a hook that is a program on the controller's machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping

from fleet.core.policy.hooks.hook import CommandHook
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.state.hook_calls import HookAnswer, HookCall
from fleet.core.text.durations import format_duration
from fleet.hooks.output import SPARE, kept_output, message
from fleet.hooks.secret_file import SecretError, read_secret
from fleet.system.marked import end_marked
from fleet.system.programs import LAST_SECONDS, LateError, last, run

TOKEN = "FLEET_HOOK_TOKEN"  # noqa: S105
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SHELL", "SSL_CERT_FILE")
"""The variables of the controller's environment that every program gets."""


async def run_program(call: HookCall, hook: CommandHook) -> HookAnswer:
    """Runs the program. When it ends, takes too long or is cancelled, none of its processes is left; nor is any of an
    earlier run under the same token, whose controller was killed."""
    try:
        secrets = {name: read_secret(path) for name, path in hook.secrets.items()}
    except SecretError as error:
        return HookAnswer(call.key, HookResult.FAILED, message(f"a secret cannot be read: {error}"))
    mark = f"{TOKEN}={call.token}".encode()
    await _end(mark)
    try:
        done = await run(
            hook.command,
            environment_of(call, hook, secrets, os.environ),
            hook.timeout_seconds,
            last(hook.output_bytes + SPARE + max(map(_size, secrets.values()), default=0)),
        )
    except LateError as late:
        why = f"it had not ended after {format_duration(hook.timeout_seconds)} and was killed"
        output = kept_output(late.finished.out + late.finished.err, hook.output_bytes, secrets.values())
        return HookAnswer(call.key, HookResult.FAILED, why, output)
    except (OSError, ValueError) as error:
        why = f"{hook.command[0]}: {getattr(error, 'strerror', None) or error}"
        return HookAnswer(call.key, HookResult.FAILED, message(why))
    finally:
        await _end(mark)
    output = kept_output(done.out + done.err, hook.output_bytes, secrets.values())
    if done.code == 0:
        return HookAnswer(call.key, HookResult.PASSED, "exit code 0", output)
    ended = f"exit code {done.code}" if done.code > 0 else f"killed by signal {-done.code}"
    text = output.rpartition("\n")[2]
    return HookAnswer(call.key, HookResult.FAILED, message(f"{ended}: {text}" if text else ended), output)


def _size(secret: str) -> int:
    return len(secret.encode())


async def _end(mark: bytes) -> None:
    """Kills what is left of a program, and returns when it has ended, or cannot be ended."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_SECONDS):
            # The pause between two checks.
            while await asyncio.to_thread(end_marked, mark):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


def environment_of(
    call: HookCall, hook: CommandHook, secrets: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, str]:
    """Returns the whole environment of the program. The facts are values of variables, and no shell reads them unless
    the program does."""
    own = {name: environ[name] for name in (*PASSED_ON, *hook.environment) if name in environ}
    facts = {name: value.replace("\0", "") for name, value in call.facts.items()}
    return own | dict(secrets) | facts | {TOKEN: call.token}
