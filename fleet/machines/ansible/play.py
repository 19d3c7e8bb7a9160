"""Runs one playbook on one machine, by ansible-runner in a process of its own, and reads the result from its events.

Nothing of ansible is imported here: it runs in a process of its own (`fleet.machines.ansible.run`), which a signal
ends with all of its children, and whose events come as JSON, one a line. Source: ansible-runner 2.4,
display_callback/awx_display.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from fleet.core.records.errors import UsageError
from fleet.core.text.environment import for_others
from fleet.machines.ansible.events import AnsibleEvents, AnsibleResult
from fleet.machines.errors import MachineError
from fleet.system.marked import end_marked
from fleet.system.programs import end_group

KEPT = 3
"""How many runs of one playbook on one machine keep their artifacts."""
GRACE = 10.0
"""Seconds that a run has to end after SIGTERM."""
LINE_MOST = 8 * 1024 * 1024
RESULT_MOST = 200_000
"""Characters of a task's result beyond which ansible leaves the result out of the event."""
_MARK = "AWX_ISOLATED_DATA_DIR"
"""An environment variable of every process of a run, with the folder of the run."""


def refuse_without() -> None:
    """Raises UsageError where ansible-runner is not installed. Nothing of it is imported."""
    if find_spec("ansible_runner") is None or find_spec("ansible") is None:
        raise UsageError(
            "a pool has reach: playbook, but ansible-runner is not installed",
            "pip install 'fleet[playbooks]'",
        )
    if shutil.which("ssh") is None:
        raise UsageError(
            "a pool has reach: playbook, but there is no ssh", "install the package openssh-client"
        )


async def run_playbook(
    folder: Path,
    playbook: Path,
    host: Mapping[str, Any],
    variables: Mapping[str, Any],
    seconds: float,
    account: AnsibleEvents,
    kept: int = KEPT,
) -> AnsibleResult:
    """Runs one playbook on one machine and returns its result.

    `folder` is ansible-runner's private_data_dir, for this machine and playbook alone; only one run at a time may use
    it. `host` is an inventory of this one host, by its name.

    Raises MachineError where the run has not ended after `seconds`. When it is cancelled or too late, no process of
    the run is left.
    """
    try:
        await reap(folder)
    except TimeoutError:
        raise MachineError(f"an earlier run in {folder} does not end, even when killed") from None
    _forget_environment(folder)
    _prepare(folder, host, variables)
    process = await asyncio.create_subprocess_exec(
        # With -P no module is taken from the current folder.
        *(sys.executable, "-P", "-m", "fleet.machines.ansible.run"),
        *(str(folder), str(playbook), str(kept)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=LINE_MOST,
        env=_environment(folder),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            await _listen(process, account)
            code = await process.wait()
    except TimeoutError:
        raise MachineError(f"{playbook.name} has not ended after {seconds:.0f} s") from None
    finally:
        if process.returncode is None:
            await _end(process)
        with contextlib.suppress(TimeoutError):
            await reap(folder)
        _forget_environment(folder)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await process.wait()
    return account.end(code)


def _prepare(folder: Path, host: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
    settings = {"pexpect_timeout": 1, "fact_cache_type": "memory"}
    files = {
        "inventory/hosts.json": {"all": {"hosts": _plain(host)}},
        "env/extravars": _plain(variables),
        "env/settings": settings,
    }
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.touch(0o600)
        file.write_bytes(msgspec.json.encode(content))


def _plain(value: Any) -> Any:
    """Returns the value with each text marked as plain. Ansible evaluates {{ }} in a variable or an inventory, here
    and not on the machine, and versions and boot ids come from a machine. Source: ansible-core 2.19,
    _internal/_json/_profiles/_legacy.py."""
    match value:
        case str():
            return {"__ansible_unsafe": value}
        case Mapping():
            return {key: _plain(part) for key, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case _:
            return value


def _environment(folder: Path) -> dict[str, str]:
    """Returns the environment of the run: the controller's own, limited to variables for other programs. Host key
    checking is set, since ansible-runner turns it off by default."""
    own = for_others(os.environ)
    path = f"{Path(sys.executable).parent}{os.pathsep}{own.get('PATH', os.defpath)}"
    fixed = {
        "PATH": path,
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_NOCOLOR": "1",
        # The playbook determines which tasks run, and not an ansible.cfg or a variable meant for other runs.
        "ANSIBLE_RUN_TAGS": "all",
        "ANSIBLE_SKIP_TAGS": "",
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "MAX_EVENT_RES": str(RESULT_MOST),
    }
    return own | fixed


async def _listen(process: asyncio.subprocess.Process, account: AnsibleEvents) -> None:
    assert process.stdout is not None
    while True:
        try:
            line = await process.stdout.readuntil(b"\n")
        except asyncio.IncompleteReadError as last:
            if last.partial:
                account.see(last.partial)
            return
        except asyncio.LimitOverrunError as error:
            await process.stdout.readexactly(error.consumed)
            continue
        account.see(line)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ends the process: ansible-runner kills its children when it is told to end, and is killed itself if it does not
    end."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(GRACE):
            await process.wait()
    except TimeoutError:
        end_group(process.pid)


async def reap(folder: Path) -> None:
    """Kills what a run in this folder has left, and returns when it has ended: ansible's workers and their ssh are in
    sessions of their own, and go on when a controller was killed. Raises TimeoutError."""
    async with asyncio.timeout(GRACE):
        # The pause between two checks.
        while await asyncio.to_thread(end_marked, f"{_MARK}={folder}/".encode(), prefix=True):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _forget_environment(folder: Path) -> None:
    """Deletes the files in which ansible-runner keeps the whole environment of a run. A killed controller leaves
    one."""
    for command in folder.glob("artifacts/*/command"):
        command.unlink(missing_ok=True)
