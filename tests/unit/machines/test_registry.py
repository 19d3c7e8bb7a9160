"""What the registry of OS families promises to detection, to the docs and to the playbooks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from fleet.machines.errors import MachineError
from fleet.machines.families.registry import ALL, FAMILIES, connect
from tests.unit.machines.fakehost import FakeHost

ROOT = Path(__file__).parents[3]
SUPPORT = (ROOT / "docs" / "os-support.md").read_text(encoding="utf-8")
OF_THE_LAB = {"simulated"}
"""Has a row, and no entry: an agent on a machine does not carry the lab's code."""


def test_each_module_of_a_family_has_one_entry() -> None:
    folder = ROOT / "fleet" / "machines" / "families"
    modules = {path.stem for path in folder.glob("*.py") if "\nFAMILY = " in path.read_text(encoding="utf-8")}
    assert modules == {each.recognizes.__module__.rpartition(".")[2] for each in ALL}
    assert len(FAMILIES) == len(ALL)


@pytest.mark.parametrize("name", FAMILIES)
def test_family_has_a_row_and_a_section_in_the_docs(name: str) -> None:
    assert f"| [`{name}`](#{name}) |" in SUPPORT
    assert f"\n## {name}\n" in SUPPORT.lower()


def test_docs_have_no_row_for_an_unknown_family() -> None:
    table = SUPPORT.partition("|---|")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| \[?`([^`]+)`", table, re.M)) == set(FAMILIES) | OF_THE_LAB


def test_playbooks_have_the_commands_of_each_family_that_they_support() -> None:
    folder = ROOT / "playbooks" / "vars"
    known = set(yaml.safe_load((folder / "settings.yaml").read_text(encoding="utf-8"))["fleet_families"])
    assert known == {path.stem for path in folder.glob("*.yaml")} - {"settings"}
    assert known <= set(FAMILIES)


def test_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(MachineError) as caught:
        connect("plan9", FakeHost())
    assert all(name in caught.value.message for name in FAMILIES)


def test_one_function_alone_compares_releases() -> None:
    """`core.releases.release.is_release`: nothing below the engine compares versions or digests by itself."""
    own = re.compile(r"\.(?:version|digest) (?:==|!=)|(?:==|!=) \w+\.(?:version|digest)\b(?!\.)")
    rooms = ("agent", "hosts", "lab/fake_nodes", "machines", "model", "planner", "simulated")
    files = [path for room in rooms for path in (ROOT / "fleet" / room).rglob("*.py")]
    assert [str(path) for path in files if own.search(path.read_text(encoding="utf-8"))] == []
