"""A real Prometheus reads a controller's metrics, loads the alert rules, and answers every query of the dashboard."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.app.monitoring.server import ListenAddress, monitoring
from fleet.app.wiring.home import Home
from tests.gates.servers import free_port, running, until
from tests.installed import installed
from tests.unit.app.finished import a_fast_home, carried_out

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/monitoring/alerts.yaml"
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/monitoring/dashboard.json").read_text())
CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs: [{{job_name: fleet, static_configs: [{{targets: ["{address}"]}}]}}]
"""
ONLY_IN_TROUBLE = {
    "fleet_held_nodes",
    "fleet_drain_blocked",
    "fleet_behind_seconds",
    "fleet_api_requests_total",
}
"""Without a sample in a small simulated fleet: nothing waits, its stream has no dates, and no API server is asked."""


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the monitoring of a home with a finished rollout is served."""
    home = a_fast_home(tmp_path_factory.mktemp("home") / "home")
    carried_out(home)
    with served(Home(home.path)) as address:
        yield address


class served:
    """Serves in a thread of its own, with its own event loop."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._end = asyncio.Event()
        self._address = ""
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    async def _serve(self) -> None:
        async with monitoring(self._home, ListenAddress("127.0.0.1", 0), lambda message: None) as found:
            self._address = f"{found.host}:{found.port}"
            self._started.set()
            await self._end.wait()

    def __enter__(self) -> str:
        self._thread.start()
        assert self._started.wait(60)
        return self._address

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def prometheus(metrics: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program, folder = installed("prometheus", "prometheus"), tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text(CONFIG.format(rules=RULES, address=metrics))
    port = free_port()
    command = [
        program,
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, f"http://127.0.0.1:{port}", folder / "log") as server:
        until(lambda: bool(query(server, "fleet_build_info")), lambda: query(server, "up"))
        yield server


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def query(server: str, expression: str) -> list[Any]:
    found = get(f"{server}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    assert found["status"] == "success"
    result: list[Any] = found["data"]["result"]
    return result


def expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.mark.parametrize("expression", expressions())
def test_query_of_the_dashboard_has_an_answer(prometheus: str, expression: str) -> None:
    found = query(prometheus, expression.replace("$cluster", ".*"))
    if not any(name in expression for name in ONLY_IN_TROUBLE):
        assert found


def test_rules_are_loaded_and_none_fires_for_a_healthy_fleet(prometheus: str) -> None:
    (group,) = get(f"{prometheus}/api/v1/rules")["data"]["groups"]
    names = {rule["alert"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}
    assert {rule["name"] for rule in group["rules"]} == names
    until(
        lambda: (
            {rule["health"] for rule in get(f"{prometheus}/api/v1/rules")["data"]["groups"][0]["rules"]}
            == {"ok"}
        ),
        lambda: get(f"{prometheus}/api/v1/rules"),
    )
    # No controller is at work in the home of the test. How old its facts are depends on the day of the test, since its
    # clock is simulated.
    active = {alert["labels"]["alertname"] for alert in get(f"{prometheus}/api/v1/alerts")["data"]["alerts"]}
    assert active - {"FleetFactsOld"} == {"FleetNoController"}


def test_metrics_are_as_promtool_wants_them(metrics: str) -> None:
    program = installed("promtool", "prometheus")
    with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=30) as answer:
        text = answer.read()
    done = subprocess.run([program, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_probes(metrics: str) -> None:
    for path, begin in (("healthz", b"ok"), ("readyz", b"ok: nobody leads")):
        with urllib.request.urlopen(f"http://{metrics}/{path}", timeout=30) as answer:
            assert answer.read().startswith(begin)


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    program = installed("promtool", "prometheus")
    cases = (Path(__file__).parent / "alerts_test.yaml").read_text()
    (tmp_path / "test.yaml").write_text(cases.replace("ALERTS", str(RULES)))
    done = subprocess.run(
        [program, "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
