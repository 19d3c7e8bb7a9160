"""Hooks that are playbooks, played by real ansible-runner on this machine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fleet.core.policy.hooks.hook import PlaybookHook
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.state.hook_calls import HookAnswer
from fleet.hooks.playbook import HostVariables, PlaybookRunner
from tests.playbooks.test_own_plays import tasks
from tests.programs.hooks.calls import FACTS, a_call

SECONDS = 60.0


@asynccontextmanager
async def here(node: str, folder: Path) -> AsyncIterator[HostVariables]:
    yield {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


def played(folder: Path, text: str, seconds: int = 60) -> HookAnswer:
    (folder / "hook.yaml").write_text(text)
    hook = PlaybookHook(name="smoke", playbook=str(folder / "hook.yaml"), timeout_seconds=seconds)
    answer = asyncio.run(PlaybookRunner(folder / "played", here).run(a_call(hook)))
    assert answer is not None
    return answer


def test_playbook_passes_and_its_changes_are_the_output(tmp_path: Path) -> None:
    answer = played(tmp_path, tasks("- {name: Run, raw: echo ran}"))
    assert (answer.result, answer.output) == (HookResult.PASSED, "Run: changed")


def test_facts_are_variables_that_ansible_does_not_evaluate(tmp_path: Path) -> None:
    file = tmp_path / "told"
    text = tasks(f'- {{name: Tell, copy: {{dest: "{file}", content: "{{{{ fleet_node }}}}"}}}}')
    assert played(tmp_path, text).result is HookResult.PASSED
    assert file.read_text() == FACTS["FLEET_NODE"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (tasks("- {name: Boom, fail: {msg: boom}}"), "boom"),
        (tasks("- {name: Run, raw: echo ran}", "hosts: tills"), "nothing was done"),
        ("- hosts: all\n  tasks: [\n", "YAML"),
    ],
)
def test_playbook_that_fails_or_does_nothing_fails(tmp_path: Path, text: str, part: str) -> None:
    answer = played(tmp_path, text)
    assert answer.result is HookResult.FAILED and part in answer.message


def test_playbook_that_takes_too_long_fails(tmp_path: Path) -> None:
    answer = played(tmp_path, tasks("- {name: Wait, raw: sleep 300}"), seconds=5)
    assert answer.result is HookResult.FAILED and "has not ended" in answer.message
