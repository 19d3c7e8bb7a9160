"""A gate that asks a real Alertmanager."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleet.core.policy.gate import AlertsGate, GateVerdict
from fleet.gates.answer import Measurement
from fleet.gates.measurement import measure
from tests.gates.servers import Alerts, alertmanager, free_port, until


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with alertmanager(tmp_path) as server:
        yield server


def measured(url: str, *matchers: str) -> Measurement:
    return asyncio.run(measure(AlertsGate(name="g", url=url, matchers=matchers)))


def until_measured(url: str, verdict: GateVerdict) -> Measurement:
    """Waits until the measurement has the verdict: Alertmanager takes in what is posted a little later."""
    until(lambda: measured(url).verdict is verdict, lambda: measured(url))
    return measured(url)


def test_a_firing_alert_is_bad_and_those_that_do_not_match_do_not_count(url: str) -> None:
    assert measured(url).verdict is GateVerdict.GOOD
    Alerts(url).fire("DiskFull", severity="warning")
    found = until_measured(url, GateVerdict.BAD)
    assert "DiskFull" in found.message
    assert measured(url, 'severity="critical"').verdict is GateVerdict.GOOD
    assert measured(url, 'severity=~"warn.*"', 'alertname!="Other"').verdict is GateVerdict.BAD


def test_a_silenced_alert_does_not_count(url: str) -> None:
    Alerts(url).fire("DiskFull")
    until_measured(url, GateVerdict.BAD)
    now = datetime.now(UTC)  # noqa: TID251 - Alertmanager's own clock
    silence = {
        "matchers": [{"name": "alertname", "value": "DiskFull", "isRegex": False}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "test",
        "comment": "known",
    }
    Alerts(url).call("silences", silence)
    until_measured(url, GateVerdict.GOOD)


def test_a_matcher_that_the_server_refuses_is_no_answer(url: str) -> None:
    found = measured(url, 'severity=~"("')
    assert found.verdict is GateVerdict.UNKNOWN and "400" in found.message


def test_a_server_that_is_not_there_is_no_answer() -> None:
    assert measured(f"http://127.0.0.1:{free_port()}").verdict is GateVerdict.UNKNOWN
