"""Facts and inventories as Ansible has written them (`recorded/ORIGIN.txt`)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.records.errors import ConfigError
from fleet.core.sources.ansible_facts import is_inventory, read_facts, read_inventory
from fleet.core.sources.record import MachineRecord

RECORDED = Path(__file__).parent / "recorded"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
CHANGED = datetime(2026, 11, 1, tzinfo=UTC)
TILL = MachineRecord(
    "till-1",
    ("192.0.2.2", "fd00::2"),
    "3d1219c7c4c5404aaa1f6d2a48adfda4",
    facts={"os": "Debian 12.11", "kernel": "6.1.0-37-amd64", "architecture": "x86_64"},
)


@pytest.mark.parametrize("file", ["tree/till-1", "cache/s1_till-1"])
def test_recorded_facts_are_read(file: str) -> None:
    content = (RECORDED / file).read_bytes()
    (record,) = read_facts([(file, content, CHANGED)], NOW).records
    assert record.machine == TILL
    assert record.seen is not None
    assert record.seen.replace(minute=0, second=0) == datetime(2026, 11, 30, 17, tzinfo=UTC)


def test_time_of_a_host_whose_clock_is_ahead_is_that_of_the_file() -> None:
    content = (RECORDED / "tree/till-1").read_bytes()
    (record,) = read_facts([("till-1", content, CHANGED)], datetime(2026, 11, 30, tzinfo=UTC)).records
    assert record.seen == CHANGED


def test_host_that_ansible_did_not_reach_is_named_and_left_out() -> None:
    content = (RECORDED / "unreached/till-2").read_bytes()
    found = read_facts([("unreached/till-2", content, CHANGED)], NOW)
    assert found.records == ()
    assert len(found.cautions) == 1


def test_all_mistakes_are_reported_with_their_files() -> None:
    facts = {"ansible_kernel": "6.1\x07", "ansible_machine_id": "x"}
    files = {"a": b"{", "b": json.dumps(facts).encode(), "c": b"[]"}
    with pytest.raises(ConfigError) as caught:
        read_facts([(name, content, CHANGED) for name, content in files.items()], NOW)
    assert [one.split(": ", 1)[0] for one in caught.value.problems] == ["a", "b", "b", "c"]


@pytest.mark.parametrize("uuid", ["Not Settable", "00000000-0000-0000-0000-000000000000"])
def test_host_whose_firmware_has_no_uuid_is_read_without_one(uuid: str) -> None:
    facts = {"ansible_kernel": "6.1", "ansible_product_uuid": uuid}
    found = read_facts([("till-3", json.dumps(facts).encode(), CHANGED)], NOW)
    assert [one.machine for one in found.records] == [MachineRecord("till-3", facts={"kernel": "6.1"})]
    assert [uuid in one and "till-3" in one for one in found.cautions] == [True]


def test_inventory_has_names_addresses_and_places() -> None:
    content = json.dumps(
        {
            "_meta": {
                "hostvars": {"till-1": {"ansible_host": "10.0.0.5", "fleet_site": "fra", "secret": "x"}}
            },
            "all": {"children": ["ungrouped", "web"]},
            "web": {"hosts": ["till-1", "till-2"]},
        }
    ).encode()
    assert is_inventory(content)
    assert [one.machine for one in read_inventory(content, "inv.json").records] == [
        MachineRecord("till-1", ("10.0.0.5",), facts={"site": "fra"}),
        MachineRecord("till-2"),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
KEYS = ["kernel", "machine_id", "product_uuid", "all_ipv4_addresses", "date_time", "distribution"]


@given(st.dictionaries(st.sampled_from([f"ansible_{key}" for key in KEYS]), JSON), JSON)
def test_any_json_is_read_or_refused(facts: dict[str, object], other: object) -> None:
    for content in (facts, {"ansible_facts": facts}, {"__payload__": json.dumps(facts)}, other):
        try:
            read_facts([("w-1", json.dumps(content).encode(), CHANGED)], NOW)
            read_inventory(json.dumps({"_meta": {"hostvars": other}, "web": other}).encode(), "i")
        except ConfigError as error:
            assert error.problems
