"""A host for the playbooks: reached by a real ssh server, its /run, os-release, boot id and programs its own."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tests.machines.sshd import Sshd
from tests.playbooks import programs_file

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
ENTER = """#!/bin/sh
export BOX={box}
exec unshare --mount sh -c '
  mount --bind "$BOX/run" /run && mount --bind "$BOX/os-release" /etc/os-release &&
  mount --bind "$BOX/boot_id" /proc/sys/kernel/random/boot_id && mount --bind "$BOX/comm" /proc/1/comm &&
  PATH="$BOX/bin:/usr/bin:/bin" exec sh -c "$1"
' sh "$SSH_ORIGINAL_COMMAND"
"""


class Played(Struct, frozen=True):
    """What came of one ansible-playbook."""

    code: int
    text: str

    @property
    def changed(self) -> int:
        """Of the recap."""
        found = re.search(r"^box +: .*\bchanged=(\d+)", self.text, re.MULTILINE)
        assert found is not None, self.text
        return int(found[1])

    @property
    def message(self) -> str:
        """In one line: ansible breaks long messages."""
        return " ".join(self.text.split())


def release(version: str) -> dict[str, str]:
    return {"version": version, "digest": f"sha256:{hashlib.sha256(version.encode()).hexdigest()}"}


class Box:
    def __init__(self, folder: Path, family: str) -> None:
        self.folder = folder / "box"
        (self.folder / "run").mkdir(parents=True)
        (self.folder / "bin").mkdir()
        (self.folder / "run/ostree-booted").touch()
        (self.folder / "os-release").write_text("ID=box\n")
        (self.folder / "comm").write_text("systemd\n")
        (self.folder / "boot_id").write_text(f"{uuid.uuid4()}\n")
        for name in (family, "systemctl", "systemd-run", "journalctl"):
            self.install(name)
        enter = folder / "enter"
        enter.write_text(ENTER.format(box=self.folder))
        enter.chmod(0o755)
        now = {**release("1.0"), "serial": 0, "booted": True}
        self.save(
            published=[release("1.0"), release("2.0")],
            deployments=[now],
            units={},
            active=[],
            failed=[],
            etc=[],
            looks=0,
            logged="",
            printed="",
            falls_back=False,
            bootc_fails=False,
            ran=[],
        )
        self.sshd = Sshd(folder, f"ForceCommand {enter}\n")
        self.sshd.start()
        self.home = folder / "home"
        self.home.mkdir()

    def install(self, name: str) -> None:
        program = self.folder / "bin" / name
        program.write_text(f"#!{Path(sys.executable).resolve()}\n{programs_file().read_text()}")
        program.chmod(0o755)

    def close(self) -> None:
        self.sshd.stop()

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        return found

    def save(self, **changes: object) -> None:
        file = self.folder / "state.json"
        state = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps(state | changes))

    def booted(self) -> str:
        return next(str(each["version"]) for each in self.state()["deployments"] if each.get("booted"))

    def next(self) -> str:
        return str(self.state()["deployments"][0]["version"])

    def boot_id(self) -> str:
        return (self.folder / "boot_id").read_text().strip()

    def ran(self) -> list[list[str]]:
        """Commands that change something, systemd-run's own left out."""
        return [argv for argv in self.state()["ran"] if argv[0] not in ("systemctl", "systemd-run")]

    def play(self, name: str, wanted: str = "", *expected: str, **settings: object) -> Played:
        """Runs `ansible-playbook playbooks/NAME.yaml` as a user would."""
        values: dict[str, object] = {"fleet_look_seconds": 0.2, "fleet_boot_seconds": 20, "fleet_disk": "/"}
        if wanted:
            values |= {f"fleet_{key}": value for key, value in release(wanted).items()}
        # No shared connection: its socket would be in the home, whose path is too long for one beside pytest-xdist.
        ssh = (
            f"-o UserKnownHostsFile={self.sshd.known_hosts} -o StrictHostKeyChecking=yes -o ControlPath=none"
        )
        host = {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.sshd.port,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.sshd.user_key),
            "ansible_ssh_common_args": ssh,
        }
        inventory = self.home / "inventory.json"
        inventory.write_bytes(msgspec.json.encode({"all": {"hosts": {"box": host}}}))
        extra = msgspec.json.encode(values | settings).decode()
        program = str(Path(sys.executable).parent / "ansible-playbook")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": str(self.home), "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}
        argv = (program, "-i", str(inventory), str(PLAYBOOKS / f"{name}.yaml"), "-e", extra, *expected)
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)
        return Played(done.returncode, done.stdout + done.stderr)


def lacking() -> str:
    """What this machine has not; empty where a box can be made."""
    if os.getuid() != 0:
        return "needs root"
    programs = ("/usr/sbin/sshd", "unshare", str(Path(sys.executable).parent / "ansible-playbook"))
    return ", ".join(f"{name} is not installed" for name in programs if shutil.which(name) is None)
