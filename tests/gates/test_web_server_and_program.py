"""Gates that ask a web server, and those that run a program."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core.engine.gate_questions import GateQuestion
from fleet.core.policy.gate import CommandGate, GateVerdict, HttpGate, PrometheusGate
from fleet.core.rollout.stages.gate_state import POOL, GatePoint
from fleet.gates import program
from fleet.gates.measurement import MOST, answer, measure
from fleet.system import web as requests
from tests.gates.servers import Metrics, free_port


@pytest.fixture
def server() -> Iterator[Metrics]:
    made = Metrics()
    with made.served():
        yield made


@pytest.mark.parametrize(
    ("status", "contains", "verdict"),
    [
        (200, "", GateVerdict.GOOD),
        (200, "ready", GateVerdict.GOOD),
        (204, "", GateVerdict.BAD),
        (200, "x", GateVerdict.BAD),
    ],
)
def test_a_web_server(server: Metrics, status: int, contains: str, verdict: GateVerdict) -> None:
    server.text = "ready\n"
    gate = HttpGate(name="g", url=f"http://{server.address}/health", status=status, contains=contains)
    assert asyncio.run(measure(gate)).verdict is verdict


def test_a_web_server_that_is_not_there_is_no_answer() -> None:
    gate = HttpGate(name="g", url=f"http://127.0.0.1:{free_port()}/")
    assert asyncio.run(measure(gate)).verdict is GateVerdict.UNKNOWN


def test_an_answer_without_an_end_is_cut(server: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    server.text = "a" * 100_000
    monkeypatch.setattr(requests, "LARGEST", 10_000)
    found = asyncio.run(measure(HttpGate(name="g", url=f"http://{server.address}/")))
    assert found.verdict is GateVerdict.UNKNOWN


@pytest.mark.parametrize("text", ["", "{", "[]", '{"status": "success"}', '{"status": "success", "data": 5}'])
def test_a_server_that_is_no_prometheus_gives_no_answer(server: Metrics, text: str) -> None:
    server.text = text
    gate = PrometheusGate(name="g", url=f"http://{server.address}", query="up", below=2)
    assert asyncio.run(measure(gate)).verdict is GateVerdict.UNKNOWN


@pytest.mark.parametrize(
    ("code", "verdict"), [(0, GateVerdict.GOOD), (1, GateVerdict.BAD), (2, GateVerdict.UNKNOWN)]
)
def test_a_program_is_judged_by_its_exit_code(code: int, verdict: GateVerdict) -> None:
    script = f"print('first'); print('the last line'); raise SystemExit({code})"
    found = asyncio.run(measure(CommandGate(name="g", command=(sys.executable, "-c", script))))
    assert found.verdict is verdict and "the last line" in found.message and "first" not in found.message


@pytest.mark.parametrize(("code", "shown"), [(0, "output"), (1, "error")])
def test_what_a_program_that_failed_says_is_its_last_error(code: int, shown: str) -> None:
    script = f"echo error >&2; echo output; exit {code}"
    found = asyncio.run(measure(CommandGate(name="g", command=("/bin/sh", "-c", script))))
    assert found.message.endswith(f": {shown}")


def test_a_program_does_not_get_the_password_of_fleets_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_DATABASE", "postgresql://fleet:secret@db/fleet")
    gate = CommandGate(name="g", command=("/bin/sh", "-c", 'test -z "$FLEET_DATABASE"'))
    assert asyncio.run(measure(gate)).verdict is GateVerdict.GOOD


def test_a_program_that_has_ended_is_not_waited_for_where_its_child_holds_the_output() -> None:
    gate = CommandGate(name="g", command=("/bin/sh", "-c", "sleep 600 & exit 1"))
    assert asyncio.run(measure(gate)).verdict is GateVerdict.BAD


def test_a_program_that_is_not_there_is_no_answer() -> None:
    found = asyncio.run(measure(CommandGate(name="g", command=("/no/such/program",))))
    assert found.verdict is GateVerdict.UNKNOWN and "/no/such/program" in found.message


def test_a_program_that_hangs_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "SECONDS", 0.5)
    pids = tmp_path / "pids"
    script = f"sleep 600 & echo $! > {pids}; echo $$ >> {pids}; wait"
    found = asyncio.run(measure(CommandGate(name="g", command=("/bin/sh", "-c", script))))
    assert found.verdict is GateVerdict.UNKNOWN
    for pid in map(int, pids.read_text().split()):
        assert not alive(pid)


def alive(pid: int) -> bool:
    """Returns whether the process runs; one that has ended and is not yet waited for does not."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_an_answer_is_shortened_and_harmless_where_it_is_shown() -> None:
    script = "print('\\x1b[31m' + 'a' * 1000)"
    gate = CommandGate(name="g", command=(sys.executable, "-c", script))
    found = asyncio.run(answer(GateQuestion("r-1", GatePoint(POOL, "workers"), gate)))
    assert len(found.message) <= MOST and "\x1b" not in found.message
    assert os.linesep not in found.message
