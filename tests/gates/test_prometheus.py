"""A gate that asks a real Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core.policy.gate import GateVerdict, PrometheusGate
from fleet.gates.answer import Measurement
from fleet.gates.measurement import measure
from tests.gates.servers import Metrics, free_port, running, until
from tests.installed import installed

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs: [{{job_name: shop, static_configs: [{{targets: ["{address}"]}}]}}]
"""
METRICS = 'errors{code="500"} 0.01\nerrors{code="503"} 0.5\nbroken NaN\n'


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = installed("prometheus", "prometheus")
    folder: Path = tmp_path_factory.mktemp("prometheus")
    metrics = Metrics()
    metrics.text = METRICS
    (folder / "prometheus.yml").write_text(CONFIG.format(address=metrics.address))
    port = free_port()
    command = [
        program,
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with metrics.served(), running(command, f"http://127.0.0.1:{port}", folder / "log") as server:
        until_scraped(server)
        yield server


def until_scraped(server: str) -> None:
    gate = PrometheusGate(name="g", url=server, query="count(broken)", below=2)
    until(lambda: measured(gate).verdict is GateVerdict.GOOD, lambda: measured(gate))


def measured(gate: PrometheusGate) -> Measurement:
    return asyncio.run(measure(gate))


@pytest.mark.parametrize(
    ("query", "below", "above", "verdict"),
    [
        ('errors{code="500"}', 0.02, None, GateVerdict.GOOD),
        ('errors{code="503"}', 0.02, None, GateVerdict.BAD),
        ("errors", 0.02, None, GateVerdict.BAD),
        ("errors", 0.6, 0.001, GateVerdict.GOOD),
        ("sum(errors)", 1, 0.51, GateVerdict.BAD),
        ("scalar(sum(errors))", 1, None, GateVerdict.GOOD),
        ("count(errors)", None, 1, GateVerdict.GOOD),
        ("no_such_metric", 1, None, GateVerdict.UNKNOWN),
        ("sum(no_such_metric)", 1, None, GateVerdict.UNKNOWN),
        ("broken", 1, None, GateVerdict.UNKNOWN),
        ("errors / 0", 1, None, GateVerdict.BAD),
        ("errors[1m]", 1, None, GateVerdict.UNKNOWN),
        ('"text"', 1, None, GateVerdict.UNKNOWN),
        ("sum(", 1, None, GateVerdict.UNKNOWN),
    ],
)
def test_a_query_is_judged(
    url: str, query: str, below: float | None, above: float | None, verdict: GateVerdict
) -> None:
    found = measured(PrometheusGate(name="g", url=url, query=query, below=below, above=above))
    assert found.verdict is verdict and found.message


def test_a_bad_value_is_named_with_its_labels(url: str) -> None:
    found = measured(PrometheusGate(name="g", url=url, query="errors", below=0.02))
    assert 'code="503"' in found.message and "0.5" in found.message


def test_a_server_that_is_not_there_is_no_answer() -> None:
    gate = PrometheusGate(name="g", url=f"http://127.0.0.1:{free_port()}", query="up", below=2)
    assert measured(gate).verdict is GateVerdict.UNKNOWN


def test_a_token_file_that_is_missing_is_no_answer_and_nothing_is_sent(url: str, tmp_path: Path) -> None:
    gate = PrometheusGate(name="g", url=url, query="up", below=2, token_file=str(tmp_path / "token"))
    found = measured(gate)
    assert found.verdict is GateVerdict.UNKNOWN and "token" in found.message
