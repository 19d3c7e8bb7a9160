"""What systemd reports of its units, and which parts of a machine's output stay on it."""

from __future__ import annotations

import asyncio

import pytest

from fleet.core.objects.machine import Units
from fleet.machines import redaction
from fleet.machines.errors import MachineError
from fleet.machines.families.shared import shell
from tests.unit.machines.fakehost import FakeHost

# Of a Debian 12 host (systemd 252), `systemctl list-units --state=failed --all --plain --no-legend --no-pager --full`.
RECORDED = """\
app-gateway.service loaded    failed failed The gateway of the app
mnt-data.mount      loaded    failed failed /mnt/data
old-thing.service   not-found failed failed old-thing.service
"""


def test_failed_units_are_named() -> None:
    assert shell.parse_failed(RECORDED) == ("app-gateway.service", "mnt-data.mount", "old-thing.service")
    assert shell.parse_failed("\n") == ()


# Of the same host, with --output=json: systemd 246 and later.
RECORDED_JSON = (
    '[{"unit":"mnt-data.mount","load":"loaded","active":"failed","sub":"failed","description":"/mnt/data"},'
    '{"unit":"app\\\\x20b.service","load":"loaded","active":"failed","sub":"failed","description":"●","new":1}]'
)


def test_failed_units_are_parsed_where_systemd_prints_json() -> None:
    assert shell.parse_failed(RECORDED_JSON) == ("app\\x20b.service", "mnt-data.mount")
    assert shell.parse_failed("[]") == ()
    # One odd entry hides none of the others.
    assert shell.parse_failed('[{"unit":null},{"unit":"a.service"},{"hint":"x"}]') == ("a.service",)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("● a.service loaded failed failed A\n", ("a.service",)),
        ("* a.service loaded failed failed A\n", ("a.service",)),
        ("a\\x20b@c-d.service loaded failed failed A\n", ("a\\x20b@c-d.service",)),
        ("a.service geladen fehlgeschlagen fehlgeschlagen Ein Dienst\n", ("a.service",)),
        ("Warning: The unit file, source configuration file or drop-ins changed on disk.\n", ()),
        (
            "Hint: Some lines were ellipsized, use -l to show in full.\nb.timer loaded failed failed B\n",
            ("b.timer",),
        ),
        ("0 loaded units listed.\n", ()),
    ],
)
def test_invalid_line_of_an_older_systemds_table_is_ignored(text: str, names: tuple[str, ...]) -> None:
    assert shell.parse_failed(text) == names


def test_degraded_machine_is_an_answer_and_no_error() -> None:
    host = FakeHost()
    assert asyncio.run(shell.units(host)) == Units("running")
    host.failed = ["b.service", "a.service"]
    assert asyncio.run(shell.units(host)) == Units("degraded", ("a.service", "b.service"))
    host.state = "starting"
    seen = asyncio.run(shell.units(host))
    assert seen is not None and seen.starting


def test_state_of_a_newer_systemd_is_reported_as_it_is() -> None:
    host = FakeHost()
    host.state = "soft-rebooting"
    assert asyncio.run(shell.units(host)) == Units("soft-rebooting")


def test_systemd_without_an_answer_is_not_one_without_failed_units() -> None:
    host = FakeHost()
    host.state = "Failed to connect to bus: Connection refused"
    seen = asyncio.run(shell.units(host))
    assert seen is not None
    assert not seen.known


@pytest.mark.parametrize("state", ["offline", ""])
def test_machine_without_systemd_reports_no_units(state: str) -> None:
    host = FakeHost()
    host.state, host.systemd = state, bool(state)
    assert asyncio.run(shell.units(host)) is None


def test_optional_facts_may_be_missing_and_proof_is_not_guessed() -> None:
    host = FakeHost()
    host.files.clear()
    assert asyncio.run(shell.kernel(host)) == ""
    assert asyncio.run(shell.kernel_arguments(host)) == ""
    with pytest.raises(MachineError, match=r"boot_id is missing"):
        asyncio.run(shell.boot_id(host))


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
def test_secrets_are_recognised_by_their_usual_spellings(text: str, left: str) -> None:
    assert redaction.redact(text) == left
