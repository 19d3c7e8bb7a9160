"""The inventory file: its keys, and the messages about mistakes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fleet.core.records.errors import ConfigError, UsageError
from fleet.hosts.inventory.inventory import HostEntry, HostHook, HostInventory
from fleet.hosts.inventory.source import load
from tests.golden import GoldenFiles

WHOLE = """\
ssh: {config: ssh/config, identity: key, parallel: 4}
defaults:
  user: core
  labels: {pool: shop}
  before: {run: drain-me, timeout: 2m}
hosts:
  - name: till-1
    address: 10.0.0.5
    port: 2222
    zone: a
    site: fra
    labels: {role: till}
    after:
      on: controller
      run: |
        ./lb add "$FLEET_NODE"
        ./notify
    ready: {run: curl -f http://localhost/}
  - name: till-2
    cordoned: true
"""


def loads(text: str, path: Path) -> HostInventory:
    path.write_text(text)
    return asyncio.run(load(path))


def test_host_has_its_own_keys_and_those_of_the_defaults(tmp_path: Path) -> None:
    found = loads(WHOLE, tmp_path / "hosts.yaml")
    before = HostHook("drain-me", timeout_seconds=120)
    assert found.hosts == (
        HostEntry(
            "till-1",
            "10.0.0.5",
            "core",
            2222,
            "a",
            "fra",
            {"pool": "shop", "role": "till"},
            before=before,
            after=HostHook('./lb add "$FLEET_NODE"\n./notify\n', "controller", folder=str(tmp_path)),
            ready=HostHook("curl -f http://localhost/", timeout_seconds=30),
        ),
        HostEntry("till-2", user="core", labels={"pool": "shop"}, cordoned=True, before=before),
    )
    assert (found.config, found.identity, found.parallel) == (
        str(tmp_path / "ssh/config"),
        str(tmp_path / "key"),
        4,
    )


def test_every_mistake_is_reported_with_its_line_and_key(tmp_path: Path, golden: GoldenFiles) -> None:
    text = """\
hosts:
  - name: a
    port: 70000
    befor: {run: x}
  - name: a
    address: b
  - name: b
    after: {on: moon}
  - zone: z
"""
    with pytest.raises(ConfigError) as wrong:
        loads(text, tmp_path / "hosts.yaml")
    golden.check("\n".join(problem.removeprefix(f"{tmp_path}/") for problem in wrong.value.problems))


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "expected a mapping"), ("hosts: []", "at least one of hosts"), ("hosts: [a", "not YAML")],
)
def test_file_without_hosts_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        loads(text, tmp_path / "hosts.yaml")


@pytest.mark.parametrize("address", ["10.0.0.5:2222", "till-1.example:22", ":22", "core@till-1"])
def test_port_has_a_key_of_its_own(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        loads(f"hosts: [{{name: a, address: '{address}'}}]", tmp_path / "hosts.yaml")
    (problem,) = wrong.value.problems
    assert "hosts.a.address" in problem and address in problem


@pytest.mark.parametrize("address", ["10.0.0.5", "till-1.example", "::1", "2001:db8::5", "fe80::1%eth0"])
def test_ipv4_and_ipv6_addresses_are_accepted(tmp_path: Path, address: str) -> None:
    found = loads(f"hosts: [{{name: a, address: '{address}'}}]", tmp_path / "hosts.yaml")
    assert [each.address for each in found.hosts] == [address]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"hosts\.yaml does not exist"):
        asyncio.run(load(tmp_path / "hosts.yaml"))


def test_password_in_a_source_is_refused_and_not_quoted(tmp_path: Path) -> None:
    """It would be in a command line on the host, and in the journal where that fails."""
    text = "hosts: [{name: a, source: 'https://eve:hunter2@bundles.example/{version}.raucb'}]\n"
    with pytest.raises(ConfigError) as refused:
        loads(text, tmp_path / "hosts.yaml")
    (problem,) = refused.value.problems
    assert "hosts.a.source" in problem and "hunter2" not in problem
