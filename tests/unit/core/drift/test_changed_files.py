"""Which files in /etc were changed, beside the majority of the pool."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.core.drift.changed_files import FILES_MOST, changed_files
from fleet.core.objects.machine import ETC_MOST, EtcChanges
from fleet.core.reporting.node_state import StatusNode
from fleet.machines.families.shared.ostree_etc import parse
from tests.unit.core.drift.test_compare import NODE, report

USUAL = ("A hostname", "M ssh/sshd_config")


def pool(*changed: tuple[str, ...] | EtcChanges) -> list[StatusNode]:
    return [
        replace(NODE, name=f"w-{number}", etc=one if isinstance(one, EtcChanges) else EtcChanges(one))
        for number, one in enumerate(changed)
    ]


def found(members: list[StatusNode]) -> list[tuple[str, str, str]]:
    return [(one.node, one.expected, one.found) for one in changed_files(members)[0]]


def test_what_all_nodes_have_changed_is_no_drift() -> None:
    assert changed_files(pool(USUAL, USUAL, USUAL)) == ([], None)


@pytest.mark.parametrize(
    ("odd", "expected", "value"),
    [
        ((*USUAL, "A cron.d/x"), "/etc/cron.d/x as in the release", "/etc/cron.d/x added"),
        ((*USUAL, "M motd"), "/etc/motd as in the release", "/etc/motd changed"),
        ((*USUAL, "D motd"), "/etc/motd as in the release", "/etc/motd removed"),
        (("A hostname",), "/etc/ssh/sshd_config changed", "/etc/ssh/sshd_config as in the release"),
        (("M ssh/sshd_config",), "/etc/hostname added", "/etc/hostname as in the release"),
        (("A hostname", "D ssh/sshd_config"), "/etc/ssh/sshd_config changed", "/etc/ssh/sshd_config removed"),
    ],
)
def test_node_that_differs_is_found_with_what_most_have(
    odd: tuple[str, ...], expected: str, value: str
) -> None:
    assert found(pool(USUAL, USUAL, USUAL, odd)) == [("w-3", expected, value)]


def test_without_a_majority_the_variants_are_named() -> None:
    findings, undecided = changed_files(pool(USUAL, (*USUAL, "M motd")))
    assert findings == []
    assert undecided is not None
    assert undecided.variants == (("", 1), ("/etc/motd changed", 1))


def test_files_that_are_a_machines_own_are_not_compared() -> None:
    own = ("A ssh/ssh_host_rsa_key", "A NetworkManager/system-connections/eno1.nmconnection")
    assert found(pool(USUAL, USUAL, (*USUAL, *own))) == []


def test_what_a_list_that_was_cut_off_does_not_show_is_unknown() -> None:
    cut = EtcChanges(("A a", "A hostname"), more=3)
    assert found(pool(USUAL, USUAL, USUAL, cut)) == [("w-3", "/etc/a as in the release", "/etc/a added")]


def test_a_node_with_many_changed_files_has_few_findings_that_name_all() -> None:
    many = tuple(f"A x-{number:03d}" for number in range(40))
    findings, _ = changed_files(pool((), (), many))
    assert len(findings) == FILES_MOST + 1
    assert findings[-1].found.count("/etc/x-") == 40 - FILES_MOST


def test_systems_that_cannot_compare_are_unknown_and_not_equal() -> None:
    silent = replace(NODE, name="silent", version="", kernel_arguments="")
    seen = report([*pool(USUAL, USUAL, USUAL), NODE, silent])
    assert (seen.findings, seen.etc_unknown, seen.not_reported) == ((), 1, 1)


LINES = st.sets(st.tuples(st.sampled_from("abcdef"), st.sampled_from("MAD")), max_size=6).map(
    lambda pairs: tuple(f"{kind} {path}" for path, kind in sorted(dict(pairs).items()))
)


@given(st.lists(LINES, min_size=1, max_size=7))
def test_findings_are_what_a_count_by_hand_gives(changed: list[tuple[str, ...]]) -> None:
    nodes = pool(*changed)
    states = [{line[2:]: line[0] for line in lines} for lines in changed]
    expected = set()
    for path in "abcdef":
        values = [state.get(path, "") for state in states]
        usual = [value for value in "MAD" if values.count(value) * 2 > len(values)]
        usual += [""] if values.count("") * 2 > len(values) else []
        if usual and len(values) >= 3:
            expected |= {(f"w-{number}", path) for number, value in enumerate(values) if value != usual[0]}
    assert {
        (one.node, one.found.split()[0].removeprefix("/etc/")) for one in changed_files(nodes)[0]
    } == expected


@given(st.text())
def test_any_output_of_the_program_is_read(text: str) -> None:
    assert len(parse(text).changed) <= ETC_MOST


def test_the_output_is_sorted_by_path_and_bounded() -> None:
    lines = [f"A    f-{number:03d}" for number in range(ETC_MOST + 2)]
    seen = parse("\n".join(["M    ssh/sshd config", *lines, "name of a second line"]))
    assert (seen.changed[0], len(seen.changed), seen.more) == ("A f-000", ETC_MOST, 3)
