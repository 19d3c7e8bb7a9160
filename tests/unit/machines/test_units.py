"""What systemd says of its units, and what of a machine's words stays on it."""

from __future__ import annotations

import asyncio

import pytest

from fleet.core.machine import Units
from fleet.machines import secrets
from fleet.machines.os import shell
from fleet.machines.os.family import MachineError
from tests.unit.machines.fakehost import FakeHost

# Of a Debian 12 host (systemd 252), `systemctl list-units --state=failed --all --plain --no-legend --no-pager --full`.
RECORDED = """\
app-gateway.service loaded    failed failed The gateway of the app
mnt-data.mount      loaded    failed failed /mnt/data
old-thing.service   not-found failed failed old-thing.service
"""


def test_failed_units_are_told_by_name() -> None:
    assert shell.parse_failed(RECORDED) == ("app-gateway.service", "mnt-data.mount", "old-thing.service")
    assert shell.parse_failed("\n") == ()


@pytest.mark.parametrize("line", ["Failed to connect to bus", "x.service loaded active running X"])
def test_what_is_not_understood_is_refused_with_its_text(line: str) -> None:
    with pytest.raises(MachineError, match=line):
        shell.parse_failed(line)


def test_a_degraded_machine_is_an_answer_and_no_error() -> None:
    host = FakeHost()
    assert asyncio.run(shell.units(host)) == Units("running")
    host.failed = ["b.service", "a.service"]
    assert asyncio.run(shell.units(host)) == Units("degraded", ("a.service", "b.service"))
    host.state = "starting"
    assert asyncio.run(shell.units(host)).starting


def test_a_machine_without_systemd_is_refused() -> None:
    host = FakeHost()
    host.state = "Failed to connect to bus"
    with pytest.raises(MachineError, match="not understood"):
        asyncio.run(shell.units(host))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("root=LABEL=x quiet ostree=/ostree/boot.1/a", "root=LABEL=x quiet ostree=/ostree/boot.1/a"),
        ("rd.iscsi.password=geheim quiet", "rd.iscsi.password=[hidden] quiet"),
        ("url=https://me:geheim@host/x?token=geheim&v=1", "url=https://[hidden]@host/x?token=[hidden]&v=1"),
        ('level=info api_key="ge heim" n=1', "level=info api_key=[hidden] n=1"),
        ('{"password": "geheim", "n": 1}', '{"password": [hidden], "n": 1}'),
        ("Authorization: Bearer geheim.geheim", "Authorization: Bearer [hidden]"),
        ("-----BEGIN RSA PRIVATE KEY-----\ngeheim\n-----END RSA PRIVATE KEY-----\nend", "[hidden]\nend"),
        ("the token was refused", "the token was refused"),
    ],
)
def test_secrets_are_recognized_by_their_usual_spellings(text: str, left: str) -> None:
    assert secrets.hidden(text) == left
