"""The user's own commands around a reboot, in place of a drain.

On the host a hook runs as a job of its systemd, so that it is found again after the controller was killed; a hook
beside the controller starts again. In both cases a hook may run more than once for one reboot.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from fleet.core.records.errors import FleetError
from fleet.hosts.inventory.inventory import HostHook
from fleet.machines.host import CommandResult, Host, shown
from fleet.machines.job import finish, unit_of
from fleet.machines.local import Local

TOO_LONG = 124
"""Exit code of timeout(1) for a command that ran too long."""


class HookError(FleetError):
    """A hook has failed; the message has what it printed."""


async def run(name: str, hook: HostHook, host: Host, token: str, variables: Mapping[str, str]) -> None:
    """Runs a hook to its end. `name` is `before` or `after`, `token` names this one intent, and `variables` has the
    variables of the hook's environment.

    Raises HookError, and UnreachableError where the host is lost meanwhile.
    """
    argv = ("env", *(f"{key}={value}" for key, value in variables.items()), "sh", "-c", hook.run)
    if hook.on == "controller":
        ran = await _run_locally(hook, argv)
    else:
        try:
            async with asyncio.timeout(hook.timeout_seconds):
                ran = await finish(host, token, argv)
        except TimeoutError:
            unit = unit_of(token)
            await host.run(("sh", "-c", 'systemctl stop "$1"; systemctl reset-failed "$1"; true', "sh", unit))
            raise HookError(_too_long(name, hook)) from None
    _check(name, hook, ran)


async def ready(hook: HostHook, host: Host, variables: Mapping[str, str]) -> str:
    """Returns why the service of the host does not work; empty: the service works. Raises UnreachableError."""
    argv = ("env", *(f"{key}={value}" for key, value in variables.items()), "sh", "-c", hook.run)
    limited = ("timeout", str(hook.timeout_seconds), *argv)
    try:
        ran = await (
            _run_locally(hook, argv)
            if hook.on == "controller"
            else host.run(limited, hook.timeout_seconds + 10.0)
        )
        _check("ready", hook, ran)
    except HookError as error:
        return error.message
    return ""


async def _run_locally(hook: HostHook, argv: tuple[str, ...]) -> CommandResult:
    """Runs a hook in the inventory's folder, with the controller's environment. At the timeout its children are killed
    too."""
    own = (f"HOME={Path.home()}", f"PATH={os.environ.get('PATH', os.defpath)}")
    seconds = hook.timeout_seconds
    command = ("timeout", "-k", "5", str(seconds), "env", "-C", hook.folder or ".", *own, *argv)
    return await Local().run(command, seconds + 10.0)


def _check(name: str, hook: HostHook, ran: CommandResult) -> None:
    if ran.code == TOO_LONG:
        raise HookError(_too_long(name, hook))
    if not ran.succeeded:
        printed = shown(ran.stderr.strip() or ran.stdout.strip()) or "it printed nothing"
        raise HookError(f"the hook {name} ended with {ran.code}: {printed}")


def _too_long(name: str, hook: HostHook) -> str:
    return f"the hook {name} has not ended after {hook.timeout_seconds} s"
