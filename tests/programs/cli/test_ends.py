"""A terminated command leaves no program and no file behind; and the permissions of the files that it creates."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleet.cli.line import INTERRUPTED
from fleet.store import ClusterRow
from tests.unit.app.homes import a_home

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "https://127.0.0.1:9"}}}}]
users:
- name: u
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      interactiveMode: Never
      command: /bin/sh
      args: [-c, "sh -c 'exec 9>{pipe}; echo >&9; sleep 600'; true"]
"""
"""Its plugin has a child, which holds the pipe open for as long as it lives."""


@contextmanager
def begun(
    folder: Path, arguments: Sequence[str], *, ignoring: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """The command, which is killed at the end where it has not ended by itself."""
    temporary = folder / "temporary"
    temporary.mkdir()
    home = folder / "home"
    environ = {**os.environ, "FLEET_HOME": str(home), "TMPDIR": str(temporary)}

    def as_in_a_terminal() -> None:
        """Whatever these tests run under: nohup ignores SIGHUP, and a script's background SIGINT."""
        for each in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        if ignoring:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    with subprocess.Popen(
        [sys.executable, "-m", "fleet.cli", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environ,
        preexec_fn=as_in_a_terminal,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def kubeconfig(folder: Path) -> Path:
    pipe, file = folder / "alive", folder / "kubeconfig"
    os.mkfifo(pipe)
    file.write_text(KUBECONFIG.format(pipe=pipe))
    return file


@pytest.mark.parametrize(
    ("number", "ignoring"),
    [(signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGHUP, False)],
)
def test_terminated_command_ends_its_plugin_and_the_plugins_children(
    tmp_path: Path, number: signal.Signals, ignoring: bool
) -> None:
    file = kubeconfig(tmp_path)
    a_home(tmp_path / "home")
    arguments = ("cluster", "add", "real", "--site", "fra", "--kubeconfig", str(file))
    with begun(tmp_path, arguments, ignoring=ignoring) as process:
        ended(tmp_path, process, number)
        assert (process.wait(), process.stderr and process.stderr.read()) == (INTERRUPTED, b"")


IN_BACKGROUND = """
import asyncio, os, signal
from fleet.cli.signals import end_as_by_interrupt

signal.signal(signal.SIGINT, signal.SIG_IGN)
end_as_by_interrupt()

async def work():
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(0)
    print("goes on")
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        print("goes on to its next await")
    finally:
        await asyncio.Event().wait()

try:
    asyncio.run(work())
except KeyboardInterrupt:
    print("interrupted")
"""


def test_command_in_the_background_is_interrupted_where_it_waits_and_not_between_two_statements() -> None:
    """Otherwise a program that it was just starting would be left."""
    found = subprocess.run([sys.executable, "-c", IN_BACKGROUND], capture_output=True, text=True, check=False)
    assert found.stdout.splitlines() == ["goes on", "goes on to its next await", "interrupted"], found.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_terminated_controller_ends_its_plugins_and_their_children(
    tmp_path: Path, number: signal.Signals
) -> None:
    home = a_home(tmp_path / "home")
    home.store.clusters.add(ClusterRow(name="real", kind="kubeconfig", kubeconfig=str(kubeconfig(tmp_path))))
    with begun(tmp_path, ("run",)) as process:
        ended(tmp_path, process, number)
        assert process.wait() == 0


def ended(folder: Path, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Terminates the command while its plugin runs, and checks that nothing of it is left."""
    reader = os.open(folder / "alive", os.O_RDONLY | os.O_NONBLOCK)
    try:
        while not _written(reader):
            assert process.poll() is None, process.stderr and process.stderr.read()
            select.select((), (), (), 0.05)
        os.set_blocking(reader, True)
        process.send_signal(number)
        process.wait()
        assert os.read(reader, 1) == b"", "nobody holds it any more"
    finally:
        os.close(reader)
    assert not list((folder / "temporary").iterdir())


def _written(pipe: int) -> bytes:
    """What the plugin's child has written; nothing before it has begun."""
    try:
        return os.read(pipe, 1)
    except BlockingIOError:
        return b""


def test_no_file_of_fleet_is_world_writable_whatever_the_umask(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for arguments in (("init",), ("audit", "keygen"), ("sync",), ("cluster", "list")):
        subprocess.run(
            [sys.executable, "-m", "fleet.cli", "--home", str(home), *arguments],
            check=False,
            umask=0,
            capture_output=True,
        )
    found = [each for each in (home, *home.rglob("*")) if not each.is_symlink()]
    assert len(found) > 3
    assert [str(each) for each in found if each.stat().st_mode & 0o002] == []
