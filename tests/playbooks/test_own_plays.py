"""Playbooks of users: what real ansible-runner makes of them, and what fleet makes of that."""

from __future__ import annotations

import asyncio
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fleet.machines.ansible import play
from fleet.machines.ansible.events import AnsibleEvents, AnsibleResult
from tests.installed import installed

AT_ONCE = 3
HERE = {"ansible_connection": "local"}
GONE = {"ansible_host": "127.0.0.1", "ansible_port": 1}
"""Nothing listens there."""


class Case(NamedTuple):
    text: str
    message: str = ""
    """Part of what it ended with; empty: it is a success."""
    host: dict[str, Any] = HERE
    unreached: bool = False


def tasks(text: str, head: str = "hosts: all") -> str:
    body = textwrap.indent(textwrap.dedent(text).strip("\n"), "    ")
    return f"- {head}\n  gather_facts: false\n  tasks:\n{body}\n"


RUN = "- {name: Run, raw: echo ran}"
BOOM = "- {name: Boom, fail: {msg: boom}}"

CASES = {
    # Nothing is done.
    "no-host-matches": Case(tasks(RUN, "hosts: tills"), "nothing was done: no play matches box"),
    "no-play-of-two-matches": Case(
        tasks(RUN, "hosts: tills") + tasks(RUN, "hosts: web"), "(no host matched: tills, web)"
    ),
    "only-localhost-matches": Case(
        tasks(RUN, "hosts: localhost") + tasks(RUN, "hosts: tills"), "(no host matched: tills)"
    ),
    "a-pattern-with-a-hole": Case(tasks(RUN, "hosts: all:!box"), "nothing was done"),
    # A play for this machine, of which the rest is its author's word.
    "one-play-of-two-matches": Case(tasks(RUN, "hosts: tills") + tasks(RUN)),
    "on-the-controller": Case(tasks(RUN, "hosts: localhost")),
    "no-tasks": Case("- hosts: all\n  gather_facts: false\n"),
    "skipped-by-when": Case(tasks("- {raw: exit 1, when: false}")),
    "end-play": Case(tasks("- meta: end_play\n- raw: exit 1")),
    "end-host": Case(tasks("- meta: end_host\n- raw: exit 1")),
    "told": Case(tasks("- {set_stats: {per_host: false, data: {fleet_now: 1}}}")),
    "told-per-host": Case(tasks("- {set_stats: {per_host: true, data: {fleet_now: 1}}}")),
    # What cannot be run at all.
    "empty": Case("", "Empty playbook"),
    "no-list": Case("hosts: all\n", "must be a list of plays"),
    "no-yaml": Case("- hosts: all\n  tasks: [\n", "YAML parsing failed"),
    "unknown-module": Case(tasks("- nosuchmodule: {}"), "couldn't resolve module/action 'nosuchmodule'"),
    "undefined-hosts": Case(tasks(RUN, 'hosts: "{{ nope }}"'), "'nope' is undefined"),
    "import-of-nothing": Case(tasks("- import_tasks: gone.yml"), "gone.yml"),
    "no-such-role": Case("- {hosts: all, gather_facts: false, roles: [gone]}\n", "the role 'gone' was not"),
    # What fails.
    "undefined-variable": Case(tasks('- {name: Use, debug: {msg: "{{ nope }}"}}'), "Use: failed: "),
    "include-of-nothing": Case(tasks("- {name: More, include_tasks: gone.yml}"), "More: failed: "),
    "any-errors-fatal": Case(tasks(BOOM, "hosts: all\n  any_errors_fatal: true"), "Boom: failed: boom"),
    "handler": Case(
        tasks("- {name: Change, raw: echo, notify: After}")
        + "  handlers:\n    - {name: After, fail: {msg: handled badly}}\n",
        "After: failed: handled badly",
    ),
    "rescue-that-fails": Case(
        tasks(f"- block:\n    {BOOM}\n  rescue:\n    - {{name: Mend, fail: {{msg: not mended}}}}"),
        "Mend: failed: not mended",
    ),
    "rescued": Case(tasks(f"- block:\n    {BOOM}\n  rescue:\n    {RUN}")),
    "ignored": Case(tasks("- {name: Boom, fail: {msg: boom}, ignore_errors: true}")),
    # Who is not reached.
    "unreachable": Case(tasks(RUN), "Run: unreachable: ", GONE, unreached=True),
    "unreachable-ignored": Case(tasks(RUN, "hosts: all\n  ignore_unreachable: true"), "", GONE),
    "failed-and-another-unreachable": Case(
        tasks("- {name: Add, add_host: {name: other, ansible_host: 127.0.0.1, ansible_port: 1}}")
        + tasks("- {name: Boom, fail: {msg: boom}, when: inventory_hostname == 'box'}\n" + RUN),
        "Boom: failed: boom",
    ),
    "failed-after-another-was-unreachable": Case(
        tasks("- {name: Add, add_host: {name: other, ansible_host: 127.0.0.1, ansible_port: 1}}")
        + tasks(f"{RUN}\n{BOOM}"),
        "Boom: failed: boom",
    ),
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, AnsibleResult]:
    """All cases, some at a time."""
    installed("ssh", "openssh-client")
    play.refuse_without()
    folder = tmp_path_factory.mktemp("plays")
    (folder / "ansible.cfg").write_text("[tags]\nskip = all\n")
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, case: Case) -> AnsibleResult:
        path = folder / f"{name}.yml"
        path.write_text(case.text)
        account = AnsibleEvents("box", lambda _: None, lambda _: None)
        async with slots:
            return await play.run_playbook(
                folder / "played" / name, path, {"box": case.host}, {}, 60, account
            )

    async def all_of_them() -> dict[str, AnsibleResult]:
        found = await asyncio.gather(*(one(name, case) for name, case in CASES.items()))
        return dict(zip(CASES, found, strict=True))

    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("ANSIBLE_CONFIG", str(folder / "ansible.cfg"))
        environ.setenv("ANSIBLE_RUN_TAGS", "somebody-elses")
        return asyncio.run(all_of_them())


@pytest.mark.parametrize("name", CASES)
def test_results_of_a_playbook(played: dict[str, AnsibleResult], name: str) -> None:
    case, found = CASES[name], played[name]
    assert found.succeeded == (not case.message), found
    assert case.message in found.message
    assert found.unreachable == case.unreached


def test_exit_code_alone_decides_nothing(played: dict[str, AnsibleResult]) -> None:
    """The exit codes are those of ansible-core 2.19."""
    codes = {name: found.code for name, found in played.items()}
    assert codes["no-host-matches"] == codes["one-play-of-two-matches"] == 0
    assert codes["no-yaml"] == codes["unreachable"] == codes["failed-and-another-unreachable"] == 4
    assert not played["no-yaml"].responded and not played["unreachable"].responded
    assert played["failed-after-another-was-unreachable"].responded


def test_results_of_single_hosts_are_not_taken_for_the_whole(played: dict[str, AnsibleResult]) -> None:
    assert (played["told"].stats, played["told-per-host"].stats) == ({"fleet_now": 1}, {})


def test_variables_and_the_inventory_are_not_templated(tmp_path: Path) -> None:
    done = tmp_path / "carried-out"
    text = f"{{{{ lookup('pipe', 'touch {done}') }}}}"
    path = tmp_path / "mine.yml"
    path.write_text(
        tasks("- set_stats: {per_host: false, data: {told: ['{{ one }}', '{{ two }}', '{{ three[0] }}']}}")
    )
    account = AnsibleEvents("box", lambda _: None, lambda _: None)
    host = {"box": {**HERE, "one": text}}
    variables = {"two": text, "three": [text]}
    found = asyncio.run(play.run_playbook(tmp_path / "played", path, host, variables, 60, account))
    assert (found.stats, found.message) == ({"told": [text] * 3}, "")
    assert not done.exists()
