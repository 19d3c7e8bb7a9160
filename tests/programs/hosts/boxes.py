"""Hosts with an OSTree root that hold state, and an inventory that names them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import yaml

from fleet.core.records.errors import UnreachableError
from fleet.core.releases.release import Release
from fleet.hosts import ownership
from fleet.hosts.cluster import HostsCluster
from fleet.hosts.connections import ConnectHost, HostConnection
from fleet.hosts.inventory.inventory import HostEntry, HostInventory
from fleet.hosts.ownership import Claim
from fleet.hosts.supervisor import ProbeIntervals
from fleet.hosts.watch import Rhythm
from fleet.machines.agent.agent import AgentIntervals
from fleet.machines.host import CommandResult
from tests.unit.machines.fakehost import FakeHost

OLD = Release("1.0", f"sha256:{'a' * 64}")
NEW = Release("1.1", f"sha256:{'b' * 64}")
NEW_ON_ARM = Release("1.1", f"sha256:{'c' * 64}")
VERSIONS = {each.digest[7:]: each.version for each in (OLD, NEW, NEW_ON_ARM)}
QUICK = Rhythm(
    AgentIntervals(progress=0.0, retry=0.01, retry_most=0.05), ProbeIntervals(idle=0.05, busy=0.02)
)
OS_RELEASE = 'ID=box\nPRETTY_NAME="Box OS"\n'


class Box(FakeHost):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.down = False
        self.stuck: asyncio.Event | None = None
        """Its commands wait for this."""
        self.asked = 0
        """Commands so far, those that wait among them."""
        self.fault: Exception | None = None
        """Of fleet itself, over what this host answers."""
        self.deployments = [OLD.digest[7:]]
        self.booted = 0
        self.machine_id = f"id-{name}"
        self.machine = "x86_64"
        """As `uname -m` prints it."""
        self.state = "running"
        self.hooks: list[str] = []
        """Scripts that ran, with the node that they were told."""
        self.hook_fails: dict[str, str] = {}
        """Words with which a script fails."""
        self.boots_new = True
        """False: the new deployment does not come up, and the boot loader goes back."""
        self.fails_after_boot = ""
        """A unit."""
        self.goes: Callable[[], None] = lambda: None
        """Hears of each reboot, before it."""
        self.files["/etc/os-release"] = OS_RELEASE
        self.programs |= {"ostree": self._ostree, "env": self._env}

    async def run(self, argv: object, seconds: float = 60.0) -> CommandResult:
        self.asked += 1
        if self.stuck is not None:
            await self.stuck.wait()
        if self.fault is not None:
            raise self.fault
        if self.down:
            raise UnreachableError(f"{self.name}: connection refused", "is it on?")
        return await super().run(argv, seconds)  # type: ignore[arg-type]

    async def close(self) -> None:
        """Nothing is open."""

    def boot(self) -> None:
        self.goes()
        super().boot()
        self.files["/proc/sys/kernel/random/boot_id"] = f"{self.name}-boot-{self.boots}\n"
        if self.boots_new and self.booted:
            self.booted = 0
        if self.fails_after_boot:
            self.failed.append(self.fails_after_boot)

    def _run(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        match argv:
            case ("sh", "-c", script, *_) if "is-system-running" in script:
                boot_id = self.files["/proc/sys/kernel/random/boot_id"]
                reported = (
                    f"boot_id={boot_id}machine_id={self.machine_id}\nkernel=6.1.0\nstate={self.state}\n"
                )
                reported += f"machine={self.machine}\n"
                reported += f"claim={self.files.get(ownership.PATH, '')}\n"
                return 0, f"{reported}os-release\n{OS_RELEASE}", ""
            case ("sh", "-c", _, _, *looked_for) if "ostree" in looked_for:
                return 0, "has ostree\nis ostree-booted\nend\n", ""
            case ("sh", "-c", script, "sh", new, how) if ownership.PATH in script:
                if how or ownership.PATH not in self.files:
                    self.files[ownership.PATH] = new
                return 0, f"{self.files[ownership.PATH]}\n", ""
            case ("timeout", _, *rest):
                return self._run(tuple(rest))
        return super()._run(argv)

    def _ostree(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        if argv == ("admin", "status", "--json"):
            return 1, "", "error: Unknown option --json"
        if argv == ("admin", "config-diff"):
            return 0, "A    hostname\n", ""
        if argv == ("admin", "status"):
            lines = []
            for index, commit in enumerate(self.deployments):
                mark = "*" if index == self.booted else " "
                note = " (pending)" if index < self.booted else ""
                lines.append(f"{mark} box {commit}.0{note}\n    Version: {VERSIONS[commit]}\n")
            return 0, "".join(lines), ""
        wanted = next(word.partition("=")[2] for word in argv if word.startswith("--override-commit="))
        self.deployments = [wanted, self.deployments[self.booted]]
        self.booted = 1
        return 0, "", ""

    def _env(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        reported = dict(word.split("=", 1) for word in argv if word.startswith("FLEET_"))
        self.hooks.append(f"{argv[-1]} {reported['FLEET_NODE']}")
        message = self.hook_fails.get(argv[-1], "")
        return (1, "", f"{message}\n") if message else (0, "", "")


class Site:
    """Boxes, their inventory, and as many clusters as processes look at them."""

    def __init__(self, folder: Path, count: int, **keys: object) -> None:
        """`keys`: of `defaults` in the inventory."""
        self.boxes = {f"n-{number}": Box(f"n-{number}") for number in range(count)}
        self.path = folder / "hosts.yaml"
        self.folder = folder / "hosts" / "shop"
        self.cordoned: set[str] = set()
        self.rhythm = QUICK
        self.own: Claim | None = None
        """By which the hosts are this fleet's."""
        self._keys = keys
        self.write()

    def write(self) -> None:
        hosts = [
            {"name": name, "zone": "a"} | ({"cordoned": True} if name in self.cordoned else {})
            for name in self.boxes
        ]
        defaults = {"labels": {"pool": "shop"}} | self._keys
        self.path.write_text(yaml.safe_dump({"defaults": defaults, "hosts": hosts}))

    def cluster(self) -> HostsCluster:
        return HostsCluster("shop", self.path, self.folder, self.ways, self.rhythm, self.own)

    def ways(self, inventory: HostInventory) -> ConnectHost:
        def reach(host: HostEntry) -> HostConnection:
            return self.boxes[host.name]

        return reach
