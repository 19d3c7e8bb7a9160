"""A machine's power supply and boot loader, as a process: `python -m fleet.lab.machines.computer.power FOLDER`.

The process boots the deployment whose turn it is, and again each time the machine reboots, until the machine powers
off. SIGTERM is the power button: the machine shuts down cleanly. With FLEET_LAB_TIED the power is cut when standard
input ends.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from fleet.lab.machines.computer import cgroups, network, tied
from fleet.lab.machines.images import loader
from fleet.lab.machines.images.disk import Disk
from fleet.lab.machines.machine import LabMachine, load

REBOOT = 133
"""systemd-nspawn's exit code when the machine asks to be booted again."""


class Power:
    """One machine, from power on to power off."""

    def __init__(self, machine: LabMachine) -> None:
        self._machine = machine
        self._disk = Disk(machine.folder / "disk")
        self._running: subprocess.Popen[bytes] | None = None
        self._off = False

    def run(self) -> int:
        """Runs the machine and returns when it is off: 0, or systemd-nspawn's exit code when it failed."""
        while not self._off:
            deployment = self._next_deployment()
            network.unplug(self._machine.container)
            cgroups.enter(self._machine.container, os.getpid())
            self._running = subprocess.Popen(
                _command(self._machine, self._disk, deployment), stdin=subprocess.DEVNULL
            )
            code = self._running.wait()
            self._running = None
            if code != REBOOT:
                return code
        return 0

    def press(self) -> None:
        """Asks the machine to power off; the machine is not booted again."""
        self._off = True
        if self._running is not None:
            self._running.terminate()

    def _next_deployment(self) -> str:
        counted = self._machine.folder / "tries.json"
        tries: dict[str, int] = json.loads(counted.read_text()) if counted.exists() else {}
        chosen = loader.choose(self._disk.entries(), self._disk.good(), tries)
        counted.write_text(json.dumps({**tries, chosen: tries.get(chosen, 0) + 1}))
        print(f"booting {chosen}", flush=True)
        return chosen


def _command(machine: LabMachine, disk: Disk, deployment: str) -> list[str]:
    root = disk.deployment(deployment)
    binds = {disk.root: "/sysroot", disk.boot: "/boot", disk.var: "/var"}
    return [
        *("systemd-nspawn", "--quiet", "--boot"),
        *("--register=no", "--keep-unit", f"--machine={machine.container}", f"--hostname={machine.name}"),
        *(f"--directory={root}", f"--network-bridge={machine.bridge}"),
        *(f"--bind={source}:{target}" for source, target in binds.items()),
        *(f"--bind-ro={root}/usr:/usr", "--bind-ro=/dev/null:/run/ostree-booted"),
        # A container runtime inside needs capabilities and system calls that systemd-nspawn removes by default.
        *("--capability=all", "--system-call-filter=@known"),
        *("--kill-signal=SIGRTMIN+3", "--resolv-conf=off", "--timezone=off"),
    ]


def main(folder: Path) -> int:
    """Runs the machine of this folder."""
    machine = load(folder)
    power = Power(machine)
    signal.signal(signal.SIGTERM, lambda *_: power.press())
    tied.tie(lambda: cgroups.kill(machine.container))
    return power.run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
