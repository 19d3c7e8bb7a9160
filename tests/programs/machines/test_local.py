"""Commands on this machine: their exit codes and outputs; a command that times out is killed."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from pathlib import Path

import pytest

from fleet.core.records.errors import UsageError
from fleet.machines.errors import MachineError
from fleet.machines.host import ABSENT, MOST, checked, read, read_line
from fleet.machines.local import NAMESPACES, Local, prefix_of
from fleet.machines.ssh.line import proxied


def test_exit_code_and_both_outputs_are_returned() -> None:
    ran = asyncio.run(Local().run(("sh", "-c", "echo out; echo err >&2; exit 7")))
    assert (ran.code, ran.stdout, ran.stderr) == (7, "out\n", "err\n")
    assert "exit 7: err" in ran.message


def test_command_sees_no_secrets_of_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_DATABASE", "postgresql://fleet:hunter2@db/fleet")
    assert "hunter2" not in asyncio.run(Local().run(("env",))).stdout


def test_proxy_command_sees_no_secrets_of_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_DATABASE", "postgresql://fleet:hunter2@db/fleet")
    line = proxied("env")
    reported = b""
    while part := line.stream.recv(4096):
        reported += part
    line.close()
    assert b"PATH=" in reported and b"hunter2" not in reported


def test_endless_output_takes_bounded_memory() -> None:
    async def story() -> None:
        tracemalloc.start()
        try:
            ran = await Local().run(("sh", "-c", f"head -c {6 * MOST} /dev/zero; echo end"))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(ran.stdout) == MOST and ran.stdout.endswith("end\n")
        assert peak < 4 * MOST

    asyncio.run(story())


def test_arguments_are_not_read_by_a_shell() -> None:
    assert asyncio.run(checked(Local(), ("printf", "%s", "$(id); 'a' b"))) == "$(id); 'a' b"


def test_command_that_times_out_is_killed_with_its_children(tmp_path: Path) -> None:
    """As `nsenter --pid` has one, and `sh -c`: killed alone it would leave the command at work on the host."""
    pipe = tmp_path / "alive"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(MachineError, match="has not ended after 1 s"):
            asyncio.run(Local().run(("sh", "-c", f"sh -c 'exec 9>{pipe}; sleep 300'; true"), seconds=1.0))
        os.set_blocking(reader, True)
        assert os.read(reader, 1) == b"", "nobody holds it any more"
    finally:
        os.close(reader)


def test_missing_program_is_reported_as_by_a_shell() -> None:
    assert asyncio.run(Local().run(("no-such-program",))).code == ABSENT
    with pytest.raises(MachineError, match="no-such-program: exit 127: no-such-program: not found"):
        asyncio.run(checked(Local(), ("no-such-program",)))
    with pytest.raises(MachineError, match="no-such-way cannot be run"):
        asyncio.run(Local(("no-such-way",)).run(("true",)))


def test_missing_file_is_none_and_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a b").write_text("text\n")
    assert asyncio.run(read(Local(), str(tmp_path / "a b"))) == "text\n"
    assert asyncio.run(read(Local(), str(tmp_path / "none"))) is None
    with pytest.raises(MachineError, match="directory"):
        asyncio.run(read(Local(), str(tmp_path)))
    with pytest.raises(MachineError, match="is missing"):
        asyncio.run(read_line(Local(), str(tmp_path / "none")))


def test_connections_to_a_host_have_names() -> None:
    assert prefix_of("namespaces") == NAMESPACES
    assert prefix_of("chroot:/host") == ("chroot", "/host")
    assert prefix_of("here") == ()
    with pytest.raises(UsageError, match="carrier pigeon") as caught:
        prefix_of("carrier pigeon")
    # Both of its callers take care of ssh themselves.
    assert caught.value.hint is not None and "ssh:" in caught.value.hint
