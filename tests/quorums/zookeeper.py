"""Real ZooKeeper servers on loopback, as Debian packages them (`apt-get install zookeeper`; it needs a Java)."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

JARS = [Path("/usr/share/java") / name for name in ("zookeeper.jar", "slf4j-simple.jar", "servlet-api.jar")]
JAVA = ("-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
SETTINGS = "tickTime=200\ninitLimit=20\nsyncLimit=10\n"


def need() -> None:
    """Skips the test where there is no ZooKeeper; on CI that is a failure."""
    why = "no java" if shutil.which("java") is None else ""
    why = why or next((f"no {jar}" for jar in JARS if not jar.exists()), "")
    if not why:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"no ZooKeeper here: {why}")
    pytest.skip(f"no ZooKeeper here: {why}")


class Ensemble:
    """Servers 1 to `count`. Stop it."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        ports = free_ports(4 * count)
        self.admin = dict(zip(range(1, count + 1), ports, strict=False))
        self._client = dict(zip(self.admin, ports[count:], strict=False))
        self._members = "".join(
            f"server.{number}=127.0.0.1:{ports[2 * count + number - 1]}:{ports[3 * count + number - 1]}\n"
            for number in self.admin
        )

    def start(self, number: int) -> None:
        home = self._folder / str(number)
        (home / "data").mkdir(parents=True, exist_ok=True)
        (home / "data" / "myid").write_text(str(number))
        (home / "zoo.cfg").write_text(
            f"{SETTINGS}dataDir={home}/data\nclientPort={self._client[number]}\nclientPortAddress=127.0.0.1\n"
            f"admin.serverAddress=127.0.0.1\nadmin.serverPort={self.admin[number]}\n{self._members}"
        )
        with (home / "log").open("ab") as log:
            self._running[number] = subprocess.Popen(
                [
                    "java",
                    *JAVA,
                    "-cp",
                    ":".join(map(str, JARS)),
                    "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                    f"{home}/zoo.cfg",
                ],
                stdout=log,
                stderr=log,
                cwd=home,
            )

    def kill(self, number: int) -> None:
        """As a reboot does it: at once."""
        server = self._running.pop(number)
        server.kill()
        server.wait()

    def write(self, number: int, path: str) -> None:
        """Through that server, with ZooKeeper's own client."""
        done = subprocess.run(
            [
                "java",
                *JAVA,
                "-cp",
                ":".join(map(str, JARS)),
                "org.apache.zookeeper.ZooKeeperMain",
                "-server",
                f"127.0.0.1:{self._client[number]}",
                "create",
                path,
                "x",
            ],
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()

    def stop(self) -> None:
        for number in list(self._running):
            self.kill(number)


def free_ports(count: int) -> list[int]:
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in opened]
    for each in opened:
        each.close()
    return ports
