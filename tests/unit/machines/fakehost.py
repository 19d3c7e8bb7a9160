"""A machine under systemd: files, units and programs that hold state. A reboot takes /run and the units away."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence

from fleet.machines.families.shared.shell import LIVE_PATCHES
from fleet.machines.host import ABSENT, CommandResult, LostError

Program = Callable[[tuple[str, ...]], "tuple[int, str, str]"]
"""Exit code, standard output, standard error of these arguments (without the program's name)."""


_CLEAN = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
"""A service that one of these has killed has ended well, systemd.service(5) says."""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what it waits for is no event, but state of a fake
            await asyncio.sleep(0.001)


class FakeHost:
    def __init__(self) -> None:
        self.files = {
            "/proc/sys/kernel/random/boot_id": "boot-1\n",
            "/proc/sys/kernel/osrelease": "6.1.0\n",
            "/proc/cmdline": "root=/dev/sda1 quiet\n",
        }
        self.programs: dict[str, Program] = {}
        self.state = ""
        """systemd's word; empty: what the failed units make of it."""
        self.systemd = True
        """False: there is no systemctl."""
        self.failed: list[str] = []
        self.active: set[str] = set()
        """Units at work that are not jobs."""
        self.others: list[str] = []
        """Lines of the look for other updaters, without its end."""
        self.live_patches: list[str] = []
        self.jobs: dict[str, tuple[str, ...]] = {}
        """Commands of the jobs that run; `end_jobs` lets them end."""
        self.hold_jobs = False
        self.ended: dict[str, int] = {}
        """Their exit codes. Negative: killed by that signal."""
        self.started: list[tuple[str, ...]] = []
        self.ran: list[tuple[str, ...]] = []
        self.boots = 1
        self.lose_once = False
        self.next_root = False
        """Somebody has prepared a soft reboot."""

    async def run(self, argv: Sequence[str], seconds: float = 60.0) -> CommandResult:
        arguments = tuple(argv)
        self.ran.append(arguments)
        if self.lose_once:
            self.lose_once = False
            raise LostError("the connection was reset")
        code, out, err = self._run(arguments)
        if arguments[-2:] == ("systemctl", "reboot"):
            raise LostError("Connection reset by peer")
        return CommandResult(arguments, code, out, err)

    def boot(self) -> None:
        self.boots += 1
        self.files["/proc/sys/kernel/random/boot_id"] = f"boot-{self.boots}\n"
        self.files = {path: text for path, text in self.files.items() if not path.startswith("/run/")}
        self.jobs.clear()
        self.ended.clear()

    def stop_jobs(self) -> None:
        """By hand: systemd forgets a transient unit that is stopped."""
        self.jobs.clear()

    def end_jobs(self) -> None:
        for unit, argv in list(self.jobs.items()):
            code, out, err = self._run(argv)
            self.files[f"/run/fleet/{unit}.out"] = out
            self.files[f"/run/fleet/{unit}.err"] = err
            self.ended[unit] = code
            del self.jobs[unit]

    def _run(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        match argv:
            case ("systemctl", *_) if not self.systemd:
                return ABSENT, "", "systemctl: not found"
            case ("sh", "-c", script, "sh", path) if "exit 44" in script:
                return (0, self.files[path], "") if path in self.files else (44, "", "")
            case ("sh", "-c", script, "sh", path, count) if "tail -c" in script:
                return (0, self.files[path][-int(count) :], "") if path in self.files else (44, "", "")
            case ("sh", "-c", script) if script == LIVE_PATCHES:
                return 0, "".join(f"{name}\n" for name in self.live_patches), ""
            case ("sh", "-c", _, "others.sh"):
                return 0, "".join(f"{line}\n" for line in (*self.others, "end")), ""
            case ("cat", path):
                return (
                    (0, self.files[path], "") if path in self.files else (1, "", f"cat: {path}: no such file")
                )
            case ("sh", "-c", script, "sh", unit) if "reset-failed" in script:
                self.ended.pop(unit, None)
                return 0, "", ""
            case ("mkdir", *_):
                return 0, "", ""
            case ("systemctl", "reboot") | (
                "env",
                "SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT=1",
                "systemctl",
                "reboot",
            ):
                # As systemd 254 and later: a root that is mounted there is entered without a boot.
                if not self.next_root or argv[0] == "env":
                    self.boot()
                return 0, "", ""
            case ("mountpoint", "-q", "/run/nextroot"):
                return int(not self.next_root), "", ""
            case ("systemctl", "is-active", *units):
                return 3, "\n".join("active" if unit in self.active else "inactive" for unit in units), ""
            case ("systemctl", "is-system-running"):
                state = self.state or ("degraded" if self.failed else "running")
                return int(state != "running"), f"{state}\n", ""
            case ("systemctl", "list-units", "--state=failed", *_):
                return 0, "".join(f"{unit} loaded failed failed A service\n" for unit in self.failed), ""
            case ("systemctl", "show", unit, *_):
                return 0, self._shown(unit), ""
            case ("systemd-run", *rest):
                return self._begin(rest)
        program = self.programs.get(argv[0])
        return program(argv[1:]) if program else (ABSENT, "", f"{argv[0]}: not found")

    def _begin(self, rest: Sequence[str]) -> tuple[int, str, str]:
        unit = next(word.partition("=")[2] for word in rest if word.startswith("--unit="))
        argv = tuple(word.replace("$$", "$") for word in rest[list(rest).index("--") + 1 :])
        if unit in self.jobs or unit in self.ended:
            return 1, "", f"Failed to start transient service unit: Unit {unit} already exists."
        self.jobs[unit] = argv
        self.started.append(argv)
        if not self.hold_jobs:
            self.end_jobs()
        return 0, "", ""

    def _shown(self, unit: str) -> str:
        if unit in self.jobs:
            state: tuple[str, ...] = ("loaded", "active", "running", "success", "0", "0")
        elif unit in self.ended:
            code = self.ended[unit]
            good = code in (0, *(-clean for clean in _CLEAN))
            state = ("loaded", "active" if good else "failed", "exited" if good else "failed")
            result = "success" if good else "exit-code" if code > 0 else "signal"
            state = (*state, result, "1" if code >= 0 else "2", str(abs(code)))
        else:
            state = ("not-found", "inactive", "dead", "success", "0", "0")
        names = ("LoadState", "ActiveState", "SubState", "Result", "ExecMainCode", "ExecMainStatus")
        return "".join(f"{name}={value}\n" for name, value in zip(names, state, strict=True))
