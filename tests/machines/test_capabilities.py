"""The capabilities that the way into a host's namespaces takes: with those of the chart it works, and with one less it does
not. The host is a process of this computer with namespaces of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fleet.machines.local import CAPABILITIES, Local, namespaces
from tests.installed import installed

INSIDE = "12-a-host"


@pytest.fixture
def first() -> Iterator[int]:
    """Process 1 of namespaces of its own, whose host name is another."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    unshare = installed("unshare", "util-linux")
    command = [
        unshare,
        "--mount",
        "--uts",
        "--ipc",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    script = f"echo {INSIDE} > /proc/sys/kernel/hostname; echo ready; exec cat"
    with subprocess.Popen(
        [*command, "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield int(child)
        process.kill()


def limited(names: Sequence[str]) -> tuple[str, ...]:
    """The prefix that takes all other capabilities from a command of root, as a container without them has it."""
    kept = ",".join(["-all", *(f"+{name.lower()}" for name in names)])
    return (installed("setpriv", "util-linux"), "--bounding-set", kept, "--inh-caps", kept, "--")


def host_name(first: int, names: Sequence[str]) -> str:
    host = Local((*limited(names), *namespaces(first)))
    return asyncio.run(host.run(("cat", "/proc/sys/kernel/hostname"))).stdout.strip()


def test_the_charts_capabilities_open_the_namespaces_of_a_host(first: int) -> None:
    assert host_name(first, CAPABILITIES) == INSIDE


@pytest.mark.parametrize("missing", CAPABILITIES)
def test_none_of_them_is_there_in_vain(first: int, missing: str) -> None:
    assert host_name(first, [name for name in CAPABILITIES if name != missing]) == ""
