"""What a user at a machine's shell sees and does: plain commands, no code of fleet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fleet.lab.machines import LabMachines


@contextmanager
def powered(folder: Path, names: Sequence[str]) -> Iterator[LabMachines]:
    """Machines of these names, on release 1.0, until it is left."""
    up = LabMachines.up(folder, names, tied=True, progress=print)
    try:
        yield up
    finally:
        up.down()


@dataclass(frozen=True)
class Host:
    machines: LabMachines
    name: str

    def run(self, command: str, seconds: float = 120) -> str:
        """Returns what the command printed. Fails the test with its output if the command fails."""
        done = self.machines.run(self.name, command, seconds=seconds)
        assert done.returncode == 0, f"{command}: exit {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def version(self) -> str:
        return self.run(". /usr/lib/os-release; echo $VERSION_ID")

    def kernel(self) -> str:
        """The one of the release; a container boots none."""
        return self.run("ls /usr/lib/modules")

    def boot_id(self) -> str:
        return self.run("cat /proc/sys/kernel/random/boot_id")

    def booted(self) -> str:
        """The commit that runs."""
        return self.run("ostree admin status | awk '/^\\*/ { print $3 }'").split(".")[0]

    def wait_until_good(self) -> None:
        """Returns once the booted deployment has told the boot loader that it works."""
        self.run("systemctl is-system-running --wait", seconds=180)

    def reboot(self, ask: Callable[[], object] | None = None) -> None:
        """Returns when the machine is there again with another boot id, and in good order. `ask`: asks for the reboot;
        None: by ssh."""
        before = self.boot_id()
        if ask is None:
            self.machines.run(self.name, "systemctl reboot")
        else:
            ask()
        deadline = time.monotonic() + 240
        while True:
            self.machines.wait_until_reachable(self.name)
            answer = self.machines.run(self.name, "cat /proc/sys/kernel/random/boot_id")
            if answer.returncode == 0 and answer.stdout.strip() != before:
                break
            assert time.monotonic() < deadline, f"{self.name} does not reboot"
            time.sleep(0.2)  # noqa: TID251 - between two looks at the condition
        self.wait_until_good()
