"""Ansible's inventories, read by Ansible itself, mean to fleet what they mean to ansible-playbook."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.config.policy import load as policy
from fleet.core.records.errors import ConfigError, UsageError
from fleet.hosts.inventory.ansible_run import ask
from fleet.hosts.inventory.inventory import HostEntry, HostHook, HostInventory
from fleet.hosts.inventory.source import InventorySource, load
from fleet.kube.kubeconfig import contexts

ROOT = Path(__file__).parents[2]
WORKED = ROOT / "inventory"
TILLS = {"group.fleet.internal/tills": "true", "role": "till"}

INI = """\
[tills]
till-[1:2] ansible_host="{{ inventory_hostname }}.example" ansible_port=2222 ansible_user=core

[tills:vars]
ansible_ssh_private_key_file=/keys/till
fleet_site=fra
fleet_labels={"role": "till"}
fleet_before=./out "$FLEET_NODE" {{ group_names | first }}
fleet_before_on=controller
fleet_before_timeout=2m
"""
YAML = """\
tills:
  hosts:
    till-[1:2]:
      ansible_host: "{{ inventory_hostname }}.example"
      ansible_port: 2222
  vars:
    ansible_user: core
    ansible_private_key_file: /keys/till
    fleet_site: fra
    fleet_labels: {role: till}
    fleet_before: ./out "$FLEET_NODE" {{ group_names | first }}
    fleet_before_on: controller
    fleet_before_timeout: 120s
"""
SCRIPT = """\
#!/bin/sh
cat <<'END'
{"tills": {"hosts": ["till-1", "till-2"], "vars": {
  "ansible_host": "{{ inventory_hostname }}.example", "ansible_port": 2222, "ansible_user": "core",
  "ansible_private_key_file": "/keys/till", "fleet_site": "fra", "fleet_labels": {"role": "till"},
  "fleet_before": "./out \\"$FLEET_NODE\\" {{ group_names | first }}",
  "fleet_before_on": "controller", "fleet_before_timeout": "2m"}},
 "_meta": {"hostvars": {}}}
END
"""


def read(path: Path) -> HostInventory:
    return asyncio.run(load(path))


def expected(folder: Path) -> tuple[HostEntry, ...]:
    before = HostHook('./out "$FLEET_NODE" tills', "controller", 120, str(folder))
    return tuple(
        HostEntry(
            name,
            f"{name}.example",
            "core",
            2222,
            site="fra",
            labels=TILLS,
            identity="/keys/till",
            before=before,
        )
        for name in ("till-1", "till-2")
    )


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as wrong:
        read(path)
    return [each.removeprefix(f"{path.parent}/") for each in wrong.value.problems]


@pytest.mark.parametrize(("name", "text"), [("hosts", INI), ("hosts.yaml", YAML), ("hosts.sh", SCRIPT)])
def test_inventory_in_three_formats_is_the_same_fleet(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    path.chmod(0o755 if name == "hosts.sh" else 0o644)
    assert read(path).hosts == expected(tmp_path)


def test_folder_is_read_with_all_its_files_and_variables(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "1.ini").write_text("[tills]\ntill-1\n")
    (tmp_path / "2.yaml").write_text("tills: {hosts: {till-2: {fleet_cordoned: true}}}\n")
    (tmp_path / "group_vars/tills.yaml").write_text("fleet_zone: a\n")
    found = read(tmp_path).hosts
    assert [(each.name, each.zone, each.cordoned) for each in found] == [
        ("till-1", "a", False),
        ("till-2", "a", True),
    ]


def test_byte_order_mark_is_read_in_yaml_and_named_in_an_ini(tmp_path: Path) -> None:
    (tmp_path / "hosts.yaml").write_text("web: {hosts: {till-1: }}\n", encoding="utf-8-sig")
    assert [host.name for host in read(tmp_path / "hosts.yaml").hosts] == ["till-1"]
    (tmp_path / "hosts").write_text("[web]\ntill-1\n", encoding="utf-8-sig")
    with pytest.raises(UsageError) as refused:
        read(tmp_path / "hosts")
    assert "byte order mark" in refused.value.hint


def test_every_mistake_is_reported_with_its_host_and_variable(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_text("""\
all:
  hosts:
    a: {ansible_connection: winrm, ansible_port: 70000, fleet_zone: "{{ nowhere }}"}
    b: {ansible_password: hunter2, ansible_host: a, ansible_become_method: doas}
    c: {ansible_ssh_common_args: -J bastion -o ConnectTimeout=3 -oProxyCommand=nc -C, fleet_labels: [a]}
""")
    reported = problems(path)
    assert [each.split(": ")[1] for each in reported] == [
        "hosts.a.ansible_connection",
        "hosts.a.ansible_port",
        "hosts.a.fleet_zone",
        "hosts.b",
        "hosts.b.ansible_become_method",
        "hosts.b.ansible_password",
        "hosts.c.ansible_ssh_common_args",
        "hosts.c.ansible_ssh_common_args",
        "hosts.c.fleet_labels",
    ]
    assert "hunter2" not in "".join(reported)
    assert ["-J bastion" in reported[6], "ProxyCommand" in reported[7]] == [True, True]


@pytest.mark.parametrize("named", ["", "localhost\n"])
def test_inventory_is_read_without_the_sudo_and_connection_settings_of_its_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """Variables of all hosts are those of this computer too: sudo would be asked here, with the password of the hosts."""
    tried = tmp_path / "tried"
    for name in ("sudo", "ssh"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho {name} >> {tried}\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    path = tmp_path / "hosts"
    variables = {"ansible_connection": "ssh", "ansible_become_user": "nobody"}
    path.write_text(f"""\
[tills]
till-1
{named}
[all:vars]
ansible_connection={variables["ansible_connection"]}
ansible_become=true
ansible_become_user={variables["ansible_become_user"]}
ansible_remote_tmp=/nonesuch
ansible_shell_executable=/bin/nonesuch
""")
    reported = asyncio.run(ask(path, tuple(variables), ()))
    assert reported.hosts == dict.fromkeys(("till-1", *named.split()), variables)
    assert not tried.exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hosts", "[tills\ntill-1\n"),
        ("hosts.yaml", "all: {hosts: [till-1]}\n"),
        ("hosts.sh", "#!/bin/sh\necho no cloud today >&2\nexit 3\n"),
        ("numbers.yaml", "all: {hosts: {till-1: {fleet_zone: .nan}}}\n"),
    ],
)
def test_unreadable_inventory_is_refused_as_a_whole(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    path.chmod(0o755 if name == "hosts.sh" else 0o644)
    with pytest.raises(UsageError) as refused:
        read(path)
    assert str(path) in refused.value.message
    assert name != "hosts.sh" or "no cloud today" in refused.value.message


def test_inventory_without_hosts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("[tills]\n")
    assert len(problems(path)) == 1


def test_changed_group_variables_are_seen(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "hosts.yaml").write_text("tills: {hosts: {till-1: }}\n")
    variables = tmp_path / "group_vars/tills.yaml"
    variables.write_text("fleet_zone: a\n")
    source = InventorySource(tmp_path / "hosts.yaml")

    async def zones() -> list[str]:
        return [each.zone for each in (await source.now()).hosts]

    async def both() -> tuple[list[str], list[str]]:
        before = await zones()
        variables.write_text("fleet_zone: bcd\n")
        return before, await zones()

    assert asyncio.run(both()) == (["a"], ["bcd"])


def test_example_inventory_is_the_same_to_ansible_and_to_fleet() -> None:
    argv = ("-m", "ansible", "playbook", "-i", WORKED / "hosts.yaml", "--list-hosts")
    message = subprocess.run(
        [sys.executable, *argv, ROOT / "playbooks/facts.yaml"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"},
    ).stdout
    found = read(WORKED / "hosts.yaml").hosts
    assert sorted(each.name for each in found) == sorted(message.split("):")[-1].split())
    assert {each.site for each in found} == {"fra", "ams"}
    assert [each.name for each in found if each.cordoned] == ["till-ams-3"]
    assert all(each.address == f"{each.name}.{each.site}.example" for each in found)


def test_example_policy_and_contexts_are_read() -> None:
    pools = policy(WORKED / "fleet.yaml")[0].pools
    kubeconfig = WORKED / "clusters/kubeconfig.yaml"
    named = {name for pool in pools for name in pool.clusters}
    assert all(contexts.read((kubeconfig,), name).context == name for name in named)
    labels = [each.labels for each in read(WORKED / "hosts.yaml").hosts]
    taken = [next((pool.name for pool in pools if pool.selector.matches(each)), "") for each in labels]
    assert {name: taken.count(name) for name in taken} == {"tills": 6, "loadbalancers": 4}
