"""The playbooks read a host's status, and choose their commands, as fleet's own families do. Decided by asking both.

Ansible runs once for all: what it says of a status is compared with what the family on a host with that status does.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from fleet.core.releases.release import Release
from fleet.machines.errors import MachineError
from fleet.machines.families.family import Observation
from fleet.machines.families.registry import connect
from fleet.machines.host import LostError
from tests.playbooks.box import PLAYBOOKS
from tests.unit.machines import recorded
from tests.unit.machines.fakehost import FakeHost
from tests.unit.machines.statuses import (
    INDEX,
    MANIFEST,
    REPOSITORY,
    A,
    B,
    C,
    bootc_entry,
    bootc_host,
    image_entry,
    layered_entry,
    rpm_ostree_status,
)

OLD, NEW, OTHER = Release("10.1", A), Release("10.2", B), Release("10.3", C)
UKI = {"verity": "956f" * 16, "bootType": "Uki", "bootloader": "Systemd"}
POLICY, REMOTE = {"signature": "containerPolicy"}, {"signature": {"ostreeRemote": "fedora"}}
UNTOLD = bootc_entry(OLD) | {"image": None, "ostree": None}
LOCKED: dict[str, Any] = {"staged": True, "finalization-locked": True}


def _signed(signature: Any) -> str:
    return bootc_host(bootc_entry(OLD, reference={"signature": signature}))


def _of(transport: str) -> str:
    return bootc_host(bootc_entry(OLD, reference={"transport": transport}))


def _image(reference: str, **more: Any) -> str:
    return rpm_ostree_status(image_entry(reference, **more))


CASES: dict[str, dict[str, str]] = {
    "bootc": {
        "booted": bootc_host(bootc_entry(OLD)),
        "indented": json.dumps(json.loads(bootc_host(bootc_entry(OLD))), indent=2),
        "staged": bootc_host(bootc_entry(OLD), staged=bootc_entry(OTHER), rollback=bootc_entry(NEW)),
        "download only": bootc_host(bootc_entry(OLD), staged=bootc_entry(NEW, downloadOnly=True)),
        "another download only": bootc_host(bootc_entry(OLD), staged=bootc_entry(OTHER, downloadOnly=True)),
        "download only by its index": bootc_host(
            bootc_entry(OLD), staged=bootc_entry(OTHER, f"{REPOSITORY}@{B}", downloadOnly=True)
        ),
        "queued": bootc_host(bootc_entry(OLD), rollback=bootc_entry(NEW), rollbackQueued=True),
        "queued by its order": bootc_host(bootc_entry(OLD), rollback=bootc_entry(NEW), order="rollback"),
        "queued and staged": bootc_host(
            bootc_entry(OLD), rollback=bootc_entry(NEW), rollbackQueued=True, staged=bootc_entry(OTHER)
        ),
        "queued and downloaded": bootc_host(
            bootc_entry(OLD),
            rollback=bootc_entry(NEW),
            rollbackQueued=True,
            staged=bootc_entry(OTHER, downloadOnly=True),
        ),
        "pinned": bootc_host(bootc_entry(OLD, f"{REPOSITORY}@{INDEX}", pinned=True)),
        "tag and digest": bootc_host(bootc_entry(OLD, f"{REPOSITORY}:x@{A}")),
        "without a registry": bootc_host(bootc_entry(OLD, "busybox")),
        "without a version": bootc_host(bootc_entry(Release("", A))),
        "a commit": bootc_host(bootc_entry(OLD) | {"image": None}, type=None),
        "changed": bootc_host(bootc_entry(OLD) | {"image": None, "incompatible": True}, type=None),
        "composefs": recorded.BOOTC_COMPOSEFS,
        "composefs without an image": bootc_host(
            bootc_entry(OLD, composefs=UKI, ostree=None) | {"image": None}, type=None
        ),
        "UKI": bootc_host(
            bootc_entry(OLD, composefs=UKI, ostree=None),
            rollback=bootc_entry(NEW, composefs=UKI, ostree=None),
            rollbackQueued=True,
        ),
        "untold": bootc_host(bootc_entry(OLD), staged=UNTOLD, rollback=UNTOLD),
        "untold and booted": bootc_host(UNTOLD),
        "policy": _signed("containerPolicy"),
        "downloaded under the policy": bootc_host(
            bootc_entry(OLD, reference=POLICY), staged=bootc_entry(NEW, reference=POLICY, downloadOnly=True)
        ),
        "downloaded without the policy": bootc_host(
            bootc_entry(OLD, reference=POLICY), staged=bootc_entry(NEW, downloadOnly=True)
        ),
        "downloaded under a remote's keys": bootc_host(
            bootc_entry(OLD, reference=REMOTE), staged=bootc_entry(NEW, reference=REMOTE, downloadOnly=True)
        ),
        "insecure": _signed("insecure"),
        "no policy": _signed(None),
        "ostree remote": _signed({"ostreeRemote": "fedora"}),
        "another policy": _signed("sigstoreOnly"),
        "another table": _signed({"newer": {}}),
        "containers-storage": _of("containers-storage"),
        "another transport": _of("torrent"),
        "store": bootc_host(bootc_entry(OLD, store="tape")),
        "order": bootc_host(bootc_entry(OLD), order="random"),
        "type": bootc_host(bootc_entry(OLD), type="bootcPhone"),
        "kind": bootc_host(bootc_entry(OLD)).replace("BootcHost", "BootcPhone"),
        "version": bootc_host(bootc_entry(OLD)).replace("bootc/v1", "bootc/v2"),
        "not booted": bootc_host(None),
        "oldest": json.dumps(
            {
                "apiVersion": "org.containers.bootc/v1alpha1",
                "kind": "BootcHost",
                "status": {
                    "booted": {
                        "image": {"image": {"image": "x/y", "transport": "registry"}, "imageDigest": A}
                    }
                },
            }
        ),
        "no JSON": "error: Status: Entry not found",
    },
    "rpm-ostree": {
        "layered": rpm_ostree_status(layered_entry(OLD, "d", booted=True)),
        "locked": rpm_ostree_status(layered_entry(NEW, "e", **LOCKED), layered_entry(OLD, "d", booted=True)),
        "staged": rpm_ostree_status(
            layered_entry(NEW, "e", staged=True), layered_entry(OLD, "d", booted=True)
        ),
        "commit": rpm_ostree_status({"checksum": "4" * 64, "booted": True}),
        "null": rpm_ostree_status(
            {
                "checksum": "4" * 64,
                "booted": True,
                "version": None,
                "requested-packages": None,
                "base-commit-meta": None,
            }
        ),
        "several systems": rpm_ostree_status(
            {"checksum": "1" * 64, "osname": "b"},
            {"checksum": "2" * 64, "osname": "a", "booted": True},
            {"checksum": "3" * 64, "osname": "b"},
            {"checksum": "4" * 64, "osname": "a"},
        ),
        "without a version": _image(f"ostree-unverified-registry:quay.example/ocp/art@{MANIFEST}"),
        "index": _image(f"ostree-image-signed:docker://quay.io:443/x/y@{INDEX}"),
        "digest in the commit": _image(
            "ostree-image-signed:docker://quay.io/x/y:1",
            **{
                "container-image-reference-digest": None,
                "base-commit-meta": {"ostree.manifest-digest": MANIFEST},
            },
        ),
        "no digest": _image(
            "ostree-image-signed:docker://quay.io/x/y:1", **{"container-image-reference-digest": None}
        ),
        "one word": _image("ostree-unverified-registry:busybox:1"),
        "remote registry": _image("ostree-remote-registry:fedora:quay.io/x/y:44"),
        "remote image": _image("ostree-remote-image:fedora:docker://quay.io/x/y"),
        "registry": _image("ostree-unverified-image:registry:quay.io/x/y:1"),
        "containers-storage": _image("ostree-unverified-image:containers-storage:localhost/os"),
        "another prefix": _image("ostree-sealed-image:docker://quay.io/x/y"),
        "layered on an image": _image(
            "ostree-image-signed:docker://quay.io/x/y:1", **{"base-checksum": "5" * 64}
        ),
        "not booted": rpm_ostree_status({"checksum": "4" * 64}),
        "two booted": rpm_ostree_status(
            {"checksum": "4" * 64, "booted": True}, {"checksum": "5" * 64, "booted": True}
        ),
        "no JSON": "error: Connection refused",
    },
    "ostree": {
        "booted and rollback": recorded.OSTREE_BOOTED_ROLLBACK,
        "pending": recorded.OSTREE_PENDING,
        "versions": recorded.OSTREE_VERSIONS,
        "unlocked": recorded.OSTREE_UNLOCKED,
        "soft reboot": recorded.OSTREE_SOFT_REBOOT,
        "locked": recorded.OSTREE_SOFT_REBOOT.replace("(staged) (soft-reboot)", "(finalization locked)"),
        "locked and wanted": recorded.OSTREE_SOFT_REBOOT.replace(
            "(staged) (soft-reboot)", "(finalization locked)"
        ).replace("7eac0cbeafe2973079d5edb4457839054af3c1bb8ea09678c92bcf022eea2ca9", "b" * 64),
        "JSON": recorded.OSTREE_JSON,
        "JSON, wanted": recorded.OSTREE_JSON.replace(
            "7eac0cbeafe2973079d5edb4457839054af3c1bb8ea09678c92bcf022eea2ca9", "b" * 64
        ),
        "JSON, staged": recorded.OSTREE_JSON.replace(
            '"finalization-locked": true', '"finalization-locked": false'
        ),
        "a warning": f"** (process:12): WARNING **: odd\n{recorded.OSTREE_VERSIONS}",
        "another note": f"  torizon {'6' * 64}.0 (quarantined)\n{recorded.OSTREE_VERSIONS}",
        "another mark": f"! torizon {'6' * 64}.0\n{recorded.OSTREE_VERSIONS}",
        "nothing": "No deployments.\n",
    },
}
NOT_UNDERSTOOD = frozenset(
    {
        "store",
        "order",
        "type",
        "kind",
        "version",
        "not booted",
        "two booted",
        "no JSON",
        "another note",
        "another mark",
    }
    | {"nothing", "untold and booted"}
)
PLAY = """
- hosts: all
  connection: local
  gather_facts: false
  vars_files: [{playbooks}/vars/settings.yaml]
  tasks:
    - include_vars: {{file: "{playbooks}/vars/{{{{ inventory_hostname }}}}.yaml"}}
    - debug:
        msg: "{{{{ {{'odd': fleet_odd or 'not one is booted'}} if fleet_odd or not fleet_understood | bool else {{
           'booted': fleet_booted, 'staged': fleet_staged, 'rollback': fleet_rollback,
           'layered': fleet_layered | default([]), 'refused': fleet_stage_refused,
           'stage': [] if fleet_stage_refused else fleet_stage_command, 'reboot': fleet_reboot_command,
           'back': fleet_rollback_commands if inventory_hostname == 'bootc' and fleet_rollback else [],
           'back_refused': fleet_rollback_refused | default('')}} }}}}"
      vars:
        fleet_family: "{{{{ inventory_hostname }}}}"
        fleet_status_text: "{{{{ item.text }}}}"
        fleet_version: "10.2"
        fleet_digest: {digest}
      loop: "{{{{ cases[inventory_hostname] }}}}"
      loop_control: {{label: "{{{{ item.name }}}}"}}
      register: told
      ignore_errors: true
    - copy:
        content: "{{{{ told.results | to_json }}}}"
        dest: "{folder}/{{{{ inventory_hostname }}}}.json"
"""
Told = dict[str, Any]


@pytest.fixture(scope="module")
def by_playbook(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Told]]:
    """What the playbooks say, by family and case. `failed` where reading ended in an error of Ansible's."""
    program = Path(sys.executable).parent / "ansible-playbook"
    if shutil.which(program) is None:
        assert not os.environ.get("CI"), "ansible-playbook is not installed"
        pytest.skip("needs ansible-playbook")
    folder = tmp_path_factory.mktemp("reading")
    (folder / "play.yaml").write_text(PLAY.format(playbooks=PLAYBOOKS, digest=B, folder=folder))
    listed = {
        name: [{"name": case, "text": text} for case, text in cases.items()] for name, cases in CASES.items()
    }
    (folder / "cases.json").write_text(json.dumps({"cases": listed}))
    argv = (
        str(program),
        "-i",
        f"{','.join(CASES)},",
        str(folder / "play.yaml"),
        "-e",
        f"@{folder}/cases.json",
    )
    interpreter = ("-e", f"ansible_python_interpreter={sys.executable}")
    plugins = {"ANSIBLE_TEST_PLUGINS": str(PLAYBOOKS / "test_plugins")}
    environment = os.environ | plugins | {"HOME": str(folder), "ANSIBLE_NOCOLOR": "1"}
    ran = subprocess.run((*argv, *interpreter), env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    found: dict[str, dict[str, Told]] = {}
    for name in CASES:
        results = json.loads((folder / f"{name}.json").read_text())
        found[name] = {
            result["item"]["name"]: {"failed": result["msg"]} if result.get("failed") else result["msg"]
            for result in results
        }
    return found


class Did(Struct, frozen=True):
    """What fleet's own family reports of a host, and does there."""

    seen: Observation
    stage: tuple[str, ...]
    """Empty: it refuses to stage."""
    reboot: tuple[str, ...]
    back: list[tuple[str, ...]] | None
    """None: it refuses to roll back."""


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, cases in CASES.items() for case in cases])
def test_playbooks_behave_as_the_os_family(
    by_playbook: dict[str, dict[str, Told]], name: str, case: str
) -> None:
    reported = by_playbook[name][case]
    own = asyncio.run(by_family(name, CASES[name][case]))
    assert (own is None) == (case in NOT_UNDERSTOOD)
    if own is None:
        assert {"odd", "failed"} & reported.keys(), reported
        return
    assert "failed" not in reported, reported
    for key in ("booted", "staged", "rollback"):
        assert (Release(**reported[key]) if reported[key] else None) == getattr(own.seen, key)
    assert tuple(reported["layered"]) == own.seen.layered
    assert (reported["refused"] == "", tuple(reported["stage"])) == (own.stage != (), own.stage)
    # What rpm-ostree's reboot is asked for stands last in a shell's command.
    assert (reported["reboot"][-1], "env" in reported["reboot"]) == (own.reboot[-1], own.reboot[0] == "env")
    if name == "bootc" and own.seen.rollback is not None:
        assert (None if reported["back_refused"] else [tuple(argv) for argv in reported["back"]]) == own.back


async def by_family(name: str, text: str) -> Did | None:
    """On a host whose program prints this status whatever is done. None: the status is not understood."""
    box = FakeHost()
    asked: list[tuple[str, ...]] = []

    def program(argv: tuple[str, ...]) -> tuple[int, str, str]:
        if argv[-1] == "--json" and name == "ostree" and not text.lstrip().startswith("{"):
            return 1, "", "error: Unknown option --json"
        if "status" not in argv:
            asked.append((name, *argv))
        return 0, text, ""

    box.programs["ostree"] = lambda argv: (0, recorded.OSTREE_VERSIONS, "")
    box.programs[name] = program
    machine = connect(name, box)
    try:
        seen = await machine.observe()
    except MachineError:
        return None
    with suppress(MachineError):
        await machine.stage(Release("10.2", B), lambda _: None)
    stage = box.started[-1] if box.started else ()
    with suppress(LostError):
        await machine.reboot()
    reboot = box.ran[-1]
    asked.clear()
    try:
        await machine.roll_back()
    except MachineError:
        return Did(seen, stage, reboot, None)
    return Did(seen, stage, reboot, asked)
