"""The result of a playbook, by ansible-runner's events; and its `facts`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleet.core.objects.machine import Units
from fleet.core.releases.release import Release
from fleet.machines.ansible.events import AnsibleEvents, AnsibleResult, TaskResult
from fleet.machines.ansible.facts import observation
from fleet.machines.ansible.playbook import shipped
from fleet.machines.errors import MachineError

NOW = {
    "os": "ostree",
    "boot_id": "b-1",
    "kernel": "6.1.0",
    "booted": {"version": "1.0", "digest": "sha256:aa"},
    "staged": {},
    "rollback": {"version": "0.9", "digest": "sha256:bb"},
    "next": {"version": "1.0", "digest": "sha256:aa"},
    "kernel_arguments": "quiet",
    "layered": ["htop"],
    "state": "degraded",
    "failed": ["b.service", "a.service"],
}


class Told:
    def __init__(self) -> None:
        self.happened: list[str] = []
        self.percents: list[int] = []

    def of(self, code: int, *events: dict[str, Any] | str) -> AnsibleResult:
        account = AnsibleEvents("n-1", lambda each: self.happened.append(str(each)), self.percents.append)
        for event in events:
            account.see(event.encode() if isinstance(event, str) else json.dumps(event).encode())
        return account.end(code)


def event(name: str, task: str = "", res: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    data = {"task": task or None, "res": res, **({"host": "n-1"} if res is not None else {}), **more}
    return {
        "event": name,
        "uuid": "u",
        "stdout": "",
        "event_data": {key: value for key, value in data.items() if value is not None},
    }


def stats(**more: Any) -> dict[str, Any]:
    return event("playbook_on_stats", ok={"n-1": 1}, artifact_data={}, **({"dark": {}} | more))


def test_successful_run_reports_changes_progress_and_the_playbooks_results() -> None:
    reported = Told()
    busy = {"rc": 0, "stdout": "ActiveState=active\nfleet_percent=45\n", "changed": False}
    played = reported.of(
        0,
        event("runner_retry", "Wait", busy),
        event("runner_on_ok", "Wait", busy | {"stdout": "100% is another's, fleet_percent=7"}),
        event("runner_on_ok", "Write", {"rc": 0, "changed": True}),
        stats() | {"event_data": {"dark": {}, "artifact_data": {"fleet_now": NOW}}},
    )
    assert (played.succeeded, played.responded, played.message) == (True, True, "")
    assert played.stats["fleet_now"]["boot_id"] == "b-1"
    assert (reported.percents, reported.happened) == ([45], ["Write: changed"])


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"msg": "No room.\n Make some"}, "No room. Make some"),
        (
            {"msg": "non-zero return code", "rc": 3, "stderr": "password=abc", "stdout": "x"},
            "exit 3: password=[hidden]",
        ),
        ({"censored": "the output has been hidden"}, "it has no message (no_log)"),
        ({}, "it printed nothing"),
    ],
)
def test_failed_task_is_named_with_its_message_and_without_secrets(
    result: dict[str, Any], message: str
) -> None:
    reported = Told()
    played = reported.of(
        2,
        event("runner_on_failed", "Try", {"msg": "never mind"}, ignore_errors=True),
        event("runner_on_failed", "Look", result),
        stats(),
    )
    assert played.message == f"Look: failed: {message}"
    assert reported.happened == [f"Look: failed: {message}"]


def test_failed_loop_reports_the_items_message() -> None:
    played = Told().of(
        2,
        event("runner_item_on_failed", "Each", {"msg": "the second one"}),
        event("runner_on_failed", "Each", {"msg": "One or more items failed"}),
        stats(),
    )
    assert played.message == "Each: failed: the second one"


def test_unreachable_and_lost_machines_are_told_apart() -> None:
    gone = event("runner_on_unreachable", "Go", {"unreachable": True, "msg": "no route"})
    never = Told().of(4, gone, stats(dark={"n-1": 1}))
    lost = Told().of(4, event("runner_on_ok", "Look", {"rc": 0}), gone, stats(dark={"n-1": 1}))
    waited = Told().of(0, event("runner_on_ok", "Look", {"rc": 0}), gone, stats())
    assert [(each.unreachable, each.responded) for each in (never, lost, waited)] == [
        (True, False),
        (True, True),
        (False, True),
    ]
    assert never.message == "Go: unreachable: no route" and waited.succeeded


def test_end_of_another_host_is_not_this_machines() -> None:
    """One host unreachable and one failed: the exit code is 4 alone."""
    gone = event("runner_on_unreachable", "Ask it", {"unreachable": True, "msg": "no route"}, host="proxy")
    mine = event("runner_on_failed", "Look", {"msg": "no room"})
    failed = Told().of(4, mine, gone, stats(dark={"proxy": 1}, failures={"n-1": 1}))
    assert (failed.unreachable, failed.message) == (False, "Look: failed: no room")
    other = Told().of(4, event("runner_on_ok", "Look", {"rc": 0}), gone, stats(dark={"proxy": 1}))
    assert (other.unreachable, other.message) == (False, "Ask it: unreachable: no route")
    local = event("runner_on_ok", "Prepare", {"rc": 0}, host="localhost")
    lost = event("runner_on_unreachable", "Go", {"unreachable": True, "msg": "no route"})
    never = Told().of(4, local, lost, stats(dark={"n-1": 1}))
    assert (never.unreachable, never.responded) == (True, False)


def test_rescued_failure_does_not_end_a_run() -> None:
    boom = event("runner_on_failed", "Boom", {"msg": "boom"})
    other = event("runner_on_failed", "Ask it", {"msg": "no"}, host="proxy")
    assert Told().of(0, boom, stats(rescued={"n-1": 1})).succeeded
    played = Told().of(2, other, boom, stats(rescued={"n-1": 1}, failures={"proxy": 1}))
    assert played.message == "Ask it: failed: no"


def test_exit_code_0_without_an_end_is_no_success() -> None:
    assert not Told().of(0, event("runner_on_ok", "Look", {"rc": 0})).succeeded
    assert Told().of(0, "Killed").message == "Killed"


def test_missing_included_file_is_named() -> None:
    reason = {"reason": "Could not find or access '/mine/more.yml' on the Ansible Controller."}
    played = Told().of(2, event("runner_on_failed", "More", reason, ignore_errors=False), stats())
    assert "/mine/more.yml" in played.message


def test_output_before_the_first_event_is_the_error() -> None:
    played = Told().of(1, "ERROR! the playbook is no YAML", {"event": "verbose", "stdout": "line 3"})
    assert played.message == "ERROR! the playbook is no YAML\nline 3"


def test_facts_are_an_observation() -> None:
    seen = observation({"fleet_now": NOW})
    assert (seen.booted, seen.staged, seen.rollback) == (
        Release("1.0", "sha256:aa"),
        None,
        Release("0.9", "sha256:bb"),
    )
    assert seen.units == Units("degraded", ("a.service", "b.service"))
    assert seen.layered == ("htop",)
    bare = observation({"fleet_now": NOW | {"boot_id": "b-1\r\n", "staged": None, "rollback": None}})
    assert (bare.boot_id, bare.staged, bare.rollback) == ("b-1", None, None)


@pytest.mark.parametrize(
    ("reported", "message"),
    [
        ({}, "has not set fleet_now by set_stats with per_host: false"),
        ({"fleet_now": "ostree"}, "is not understood: Expected `object`, got `str`"),
        (
            {"fleet_now": NOW | {"booted": {"version": 1.10}}},
            "is not understood: Expected `str`, got `float` - at `$.booted.version`",
        ),
        (
            {"fleet_now": NOW | {"boot_id": "\n", "kernel": ""}},
            "reports an empty boot_id, kernel",
        ),
        (
            {"fleet_now": NOW | {"booted": {"version": " "}}},
            "reports neither version nor digest of the booted system",
        ),
        (
            {"fleet_now": NOW | {"boot_id": 3}},
            "is not understood: Expected `str`, got `int` - at `$.boot_id`",
        ),
        (
            {"fleet_now": NOW | {"state": "Failed to connect to bus"}},
            "the systemd state 'Failed to connect to bus'",
        ),
    ],
)
def test_invalid_facts_are_refused(reported: dict[str, Any], message: str) -> None:
    with pytest.raises(MachineError) as caught:
        observation(reported)
    assert message in caught.value.message


def test_every_step_is_shipped() -> None:
    from fleet.core.policy.policy import PLAYBOOKS

    assert all(shipped(step).is_file() for step in PLAYBOOKS)
    assert str(TaskResult("Write", "changed")) == "Write: changed"
