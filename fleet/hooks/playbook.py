"""Runs a hook that is a playbook, for one node, as the playbooks of pools are run."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from fleet.core.policy.hooks.hook import PlaybookHook
from fleet.core.records.errors import FleetError
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.state.hook_calls import HookAnswer, HookCall
from fleet.hooks.output import kept_output, message
from fleet.machines.access import SshAccess, SshAddress
from fleet.machines.ansible.connection import Login, OpenSshConfig
from fleet.machines.ansible.events import AnsibleEvents
from fleet.machines.ansible.play import run_playbook
from fleet.machines.ssh.host import Limit

AT_ONCE = 8
"""The most connections for hooks at once in one cluster."""

HostVariables = Mapping[str, Any]
Opened = Callable[[str, Path], AbstractAsyncContextManager[HostVariables]]
"""Opens the way to a node, with a folder for its files, and gives the inventory's variables of this host."""


class PlaybookRunner:
    """Runs the playbooks of one cluster's nodes."""

    def __init__(self, folder: Path, opened: Opened) -> None:
        """`folder` has the artifacts of runs, a subfolder for each node."""
        self._folder = folder.absolute()
        self._opened = opened

    async def run(self, call: HookCall) -> HookAnswer | None:
        """Returns how the playbook ended; None for hooks of other kinds. When this is cancelled no process of the run is
        left."""
        hook, node = call.hook, call.node
        if not isinstance(hook, PlaybookHook) or node is None:
            return None
        lines: list[str] = []
        folder = self._folder / node.name / "hooks" / f"{call.place.moment}-{hook.name}"
        account = AnsibleEvents(node.name, lambda task: lines.append(str(task)), lambda _: None)
        try:
            async with self._opened(node.name, folder) as host:
                played = await run_playbook(
                    folder,
                    Path(hook.playbook),
                    {node.name: host},
                    variables_of(call),
                    hook.timeout_seconds,
                    account,
                )
            why = played.message
        except FleetError as error:
            why = error.message
        output = kept_output("\n".join(lines).encode(), hook.output_bytes)
        if why:
            return HookAnswer(call.key, HookResult.FAILED, message(why), output)
        return HookAnswer(call.key, HookResult.PASSED, "no task failed", output)

    async def discard(self, call: HookCall) -> None:
        """Does nothing: what was cancelled has left no process."""


def variables_of(call: HookCall) -> dict[str, str]:
    """Returns the facts as variables of Ansible: `fleet_node` and so on. Ansible does not evaluate their values."""
    return {name.lower(): value for name, value in call.facts.items()} | {"fleet_hook_token": call.token}


def over_ssh() -> Opened:
    """Returns what opens nodes by their names, which the user's own ssh configuration may define."""
    access, limit = SshAccess(), Limit(AT_ONCE)

    @asynccontextmanager
    async def opened(node: str, folder: Path) -> AsyncIterator[HostVariables]:
        # Paths of sockets must be short.
        sockets = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="fleet-"))
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        way = OpenSshConfig(Login(SshAddress(node), access, limit), folder, sockets)
        try:
            async with limit.place(False):
                yield await way.host()
        finally:
            await way.close()
            await asyncio.to_thread(shutil.rmtree, sockets, ignore_errors=True)

    return opened
