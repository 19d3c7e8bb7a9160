"""CSVs as spreadsheets and other inventories export them, and every mistake in them at once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.records.errors import ConfigError
from fleet.core.sources.reading import PROBLEMS_MOST
from fleet.core.sources.record import MachineRecord
from fleet.core.sources.spreadsheet import HEADS, read_csv

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
UUID = "4c4c4544-0043-3010-8052-b4c04f564231"


def read(text: str, **meanings: str) -> list[MachineRecord]:
    return [one.machine for one in read_csv(text, "m.csv", NOW, meanings).records]


def problems(text: str, **meanings: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_csv(text, "m.csv", NOW, meanings)
    return list(caught.value.problems)


def test_each_head_is_recognized_whatever_its_case_and_separators() -> None:
    text = (
        "HOSTNAME,IP_Address,Machine-ID,Product UUID,provider id,OS Name,os_version,Kernel,Arch,Location,Zone,"
        "Serial Number,Last Seen,label pool\n"
        f"w-1,10.0.0.1,{'a' * 32},{UUID.upper()},aws:///a/i-1,Flatcar,4152.2.0,6.6.9,x86_64,fra,a,S1,2026-09-01,web\n"
    )
    (record,) = read_csv(text, "m.csv", NOW).records
    assert record.seen == datetime(2026, 9, 1, tzinfo=UTC)
    assert record.machine == MachineRecord(
        "w-1",
        ("10.0.0.1",),
        "a" * 32,
        UUID,
        "aws:///a/i-1",
        {
            "os": "Flatcar",
            "release": "4152.2.0",
            "kernel": "6.6.9",
            "architecture": "x86_64",
            "site": "fra",
            "zone": "a",
            "serial": "S1",
        },
        {"pool": "web"},
    )


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_of_spreadsheets_are_recognized(separator: str, end: str) -> None:
    lines = [("name", "address", "site"), ("w-1", "10.0.0.1/24", "fra"), ("", "", ""), ("w-2", "", "n/a")]
    found = read(end.join(separator.join(line) for line in lines) + end)
    assert [(one.name, one.addresses, one.facts) for one in found] == [
        ("w-1", ("10.0.0.1",), {"site": "fra"}),
        ("w-2", (), {}),
    ]


def test_unknown_heads_are_all_reported_with_file_and_line() -> None:
    found = problems("name,Owner,kernal\nw-1,ann,6.1\n")
    assert [one.split(": ", 1)[0] for one in found] == ["m.csv:1", "m.csv:1"]
    assert "'Owner' (column 2)" in found[0]
    assert "'kernal' (column 3); did you mean kernel?" in found[1]


def test_user_says_what_a_head_means_or_leaves_it_out() -> None:
    assert read("Asset;Owner;Tag\nw-1;ann;7\n", Asset="name", Owner="", Tag="label tag") == [
        MachineRecord("w-1", labels={"tag": "7"})
    ]


@pytest.mark.parametrize(
    ("text", "meanings", "place"),
    [
        ("", {}, "m.csv:1"),
        ("name\n", {}, "m.csv:1"),
        ("site\nfra\n", {}, "m.csv:1"),
        ("name,host\nw-1,w-1\n", {}, "m.csv:1"),
        ("name\nw-1\n", {"Tag": "serial"}, "m.csv:1"),
        ("name,Tag\nw-1,1\n", {"Tag": "color"}, "m.csv:1"),
        ("name,site\nw-1,fra,x\n", {}, "m.csv:2"),
        ("name,site\n,fra\n", {}, "m.csv:2"),
        ("name,site\nw 1,fra\n", {}, "m.csv:2"),
        ("name,uuid\nw-1,4711\n", {}, "m.csv:2"),
        ("name,uuid\nw-1,00000000-0000-0000-0000-000000000000\n", {}, "m.csv:2"),
        ("name,machine id\nw-1,xyz\n", {}, "m.csv:2"),
        ("name,ip\nw-1,300.1.1.1\n", {}, "m.csv:2"),
        ("name,seen\nw-1,yesterday\n", {}, "m.csv:2"),
        ("name,seen\nw-1,2027-01-01\n", {}, "m.csv:2"),
        ("name,site\nw-1,f\x07ra\n", {}, "m.csv:2"),
        ('name,site\n"w-1\nx', {}, "m.csv:2"),
        ("name,site\nw-1,fra\nW-1,nyc\n", {}, "m.csv:3"),
        ('name,site\nw-1,"a\nb"\nw-2,x,y\n', {}, "m.csv:4"),
    ],
)
def test_each_mistake_has_file_and_line(text: str, meanings: dict[str, str], place: str) -> None:
    assert place in [one.split(": ", 1)[0] for one in problems(text, **meanings)]


def test_all_mistakes_are_reported_up_to_a_bound() -> None:
    found = problems("name,ip\n" + "".join(f"w-{number},x\n" for number in range(PROBLEMS_MOST + 5)))
    assert len(found) == PROBLEMS_MOST + 1
    assert "5 more" in found[-1]
    with pytest.raises(ConfigError) as caught:
        read("name,ip\n" + "".join(f"w-{number},x\n" for number in range(PROBLEMS_MOST + 5)))
    assert caught.value.count == PROBLEMS_MOST + 5


def test_mistakes_are_in_the_order_of_their_lines() -> None:
    found = problems("name,ip\nw-1,x\nw-2,\nw-2,\nw-3,y\n" + "w-4,\n" * 7 + "w-5,z\n")
    lines = [int(one.split(":")[1]) for one in found]
    assert len(lines) == 10
    assert lines == sorted(lines)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separator_that_excel_is_told_is_no_row(end: str) -> None:
    lines = ["sep=;", "name;address", "w-1;10.0.0.1,10.0.0.2", '"w-2\n";', "w-3;x"]
    assert [one.split(": ", 1)[0] for one in problems(end.join(lines) + end)] == ["m.csv:6"]
    (record,) = read(end.join(lines[:3]) + end)
    assert (record.name, record.addresses) == ("w-1", ("10.0.0.1", "10.0.0.2"))


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_read_or_refused_with_its_mistakes(text: str) -> None:
    for head in ("", "name,site\n"):
        try:
            read_csv(head + text, "m.csv", NOW)
        except ConfigError as error:
            assert error.problems


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9]", fullmatch=True), st.sampled_from(["fra", ""])
        ),
        min_size=1,
        unique_by=lambda row: row[0],
    ),
    st.sampled_from(sorted(HEADS["name"])),
)
def test_every_row_becomes_one_machine(rows: list[tuple[str, str]], head: str) -> None:
    text = f"{head},site\n" + "".join(f"{name},{site}\n" for name, site in rows)
    if not any(name in ("na", "none", "null", "unknown") for name, _ in rows):
        assert [(one.name, one.facts.get("site", "")) for one in read(text)] == rows
