"""Reads machines from what Ansible knows: facts that it gathered, and inventories.

Facts: a file a host, as `ansible -m setup --tree FOLDER` and the cache plugin jsonfile write them (ansible-core 2.19 puts
the facts into `__payload__`, and `s1_` before the name of the file). Inventories: what `ansible-inventory --list` prints.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from fleet.core.sources.reading import (
    FileRecord,
    ReadSource,
    SourceProblems,
    fact_of,
    machine_id_of,
    moment_of,
    name_of,
    repeated,
    uuid_of,
    value_of,
)
from fleet.core.sources.record import MachineRecord
from fleet.core.text.untrusted import UnreadableError, decode

PAYLOAD = "__payload__"
CACHE_PREFIX = "s1_"
PREFIX = "ansible_"


def is_inventory(content: bytes) -> bool:
    """Returns whether the content is what `ansible-inventory --list` prints."""
    try:
        found = decode(content)
    except UnreadableError:
        return False
    return isinstance(found, dict) and isinstance(found.get("_meta"), dict)


def read_facts(files: Iterable[tuple[str, bytes, datetime]], now: datetime) -> ReadSource:
    """Returns the machines of which there are facts. `files`: path, content and time of change of each file; the last
    part of the path is the host's name in the inventory. Raises ConfigError with all mistakes, each with its file."""
    problems, cautions = SourceProblems(), list[str]()
    places, records = list[str](), list[FileRecord]()
    for path, content, changed in files:
        try:
            found, cached = _facts(decode(content))
        except (UnreadableError, ValueError) as error:
            problems.add(path, f"expected facts of Ansible as JSON, found that {error}")
            continue
        if not found:
            cautions.append(f"{path} has no facts: Ansible did not reach the host, or gathered none")
            continue
        name = path.rpartition("/")[2].removesuffix(".json")
        places.append(path)
        host = name.removeprefix(CACHE_PREFIX) if cached else name
        if (no_uuid := _no_uuid(found)) is not None:
            del found["product_uuid"]
            cautions.append(f"{path}: {PREFIX}product_uuid: {no_uuid}")
        records.append(FileRecord(_machine(host, found, path, problems), _gathered(found, now) or changed))
    repeated(places, records, problems)
    problems.raise_any()
    return ReadSource(tuple(records), tuple(cautions))


def _facts(found: Any) -> tuple[dict[str, Any], bool]:
    """Returns the facts by their names without `ansible_`, and whether they are from a cache. Raises UnreadableError or
    ValueError."""
    cached = isinstance(found, dict) and isinstance(found.get(PAYLOAD), str)
    if cached:
        found = decode(found[PAYLOAD])
    if isinstance(found, dict) and isinstance(found.get("ansible_facts"), dict):
        found = found["ansible_facts"]
    if not isinstance(found, dict):
        raise ValueError("it is no mapping")
    facts = {str(key).removeprefix(PREFIX): value for key, value in found.items()}
    return (facts if {"kernel", "hostname", "machine_id"} & facts.keys() else {}), cached


def _no_uuid(facts: Mapping[str, Any]) -> ValueError | None:
    """Returns why the product's UUID is none. Firmware without one reports zeros or words of its vendor, such as `Not
    Settable`, which no user can correct."""
    value = facts.get("product_uuid")
    try:
        if isinstance(value, str) and value_of(value):
            uuid_of(value_of(value))
    except ValueError as error:
        return error
    return None


def _machine(name: str, facts: Mapping[str, Any], path: str, problems: SourceProblems) -> MachineRecord:
    def read(key: str, form: Callable[[str], str]) -> str:
        value = facts.get(key)
        text = value_of(value) if isinstance(value, str) else ""
        try:
            return form(text) if text else ""
        except ValueError as error:
            problems.add(path, f"{PREFIX}{key}: {error}")
            return ""

    try:
        host = name_of(name)
    except ValueError as error:
        problems.add(path, f"the name of the file: {error}")
        host = ""
    values = {
        "os": " ".join(filter(None, (read("distribution", fact_of), read("distribution_version", fact_of)))),
        "kernel": read("kernel", fact_of),
        "architecture": read("architecture", fact_of),
        "serial": read("product_serial", fact_of),
    }
    return MachineRecord(
        host,
        _addresses(facts),
        read("machine_id", machine_id_of),
        read("product_uuid", uuid_of),
        facts={key: value for key, value in values.items() if value},
    )


def _addresses(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the addresses by which other machines reach the host."""
    lists = (facts.get(key) for key in ("all_ipv4_addresses", "all_ipv6_addresses"))
    listed = [
        each for values in lists if isinstance(values, list) for each in values if isinstance(each, str)
    ]
    found = []
    for text in listed:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        if not (address.is_link_local or address.is_loopback):
            found.append(str(address))
    return tuple(found)


def _gathered(facts: Mapping[str, Any], now: datetime) -> datetime | None:
    """Returns when the facts were gathered, by the host's clock; None where they do not say, or it is wrong."""
    date = facts.get("date_time")
    text = date.get("iso8601") if isinstance(date, dict) else None
    try:
        return moment_of(text, now) if isinstance(text, str) else None
    except ValueError:
        return None


def read_inventory(content: bytes, file: str) -> ReadSource:
    """Returns the machines of an inventory. Raises ConfigError with all mistakes."""
    problems = SourceProblems()
    try:
        found = decode(content)
    except UnreadableError as error:
        problems.add(file, f"expected JSON, found that {error}")
        problems.raise_any()
    meta = found["_meta"]
    listed = meta.get("hostvars") if isinstance(meta.get("hostvars"), dict) else {}
    in_groups = [
        host
        for group in found.values()
        if isinstance(group, dict) and isinstance(group.get("hosts"), list)
        for host in group["hosts"]
        if isinstance(host, str)
    ]
    names = dict.fromkeys([*listed, *in_groups])
    records = [_host(name, listed.get(name), file, problems) for name in names]
    if not names:
        problems.add(file, "expected at least one host, found none")
    problems.raise_any()
    return ReadSource(tuple(record for record in records if record is not None))


def _host(name: str, variables: Any, file: str, problems: SourceProblems) -> FileRecord | None:
    """Returns the record of one host, of its variables only what fleet's own inventories have too."""
    known = variables if isinstance(variables, dict) else {}
    address = known.get("ansible_host")
    try:
        addresses = (str(ipaddress.ip_address(address)),) if isinstance(address, str) else ()
    except ValueError:
        addresses = ()
    facts = {fact: known.get(f"fleet_{fact}") for fact in ("site", "zone")}
    try:
        kept = {fact: fact_of(text) for fact, text in facts.items() if isinstance(text, str) and text}
        return FileRecord(MachineRecord(name_of(name), addresses, facts=kept))
    except ValueError as error:
        problems.add(f"{file}: {name[:64]}", str(error))
        return None
