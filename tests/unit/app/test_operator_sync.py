"""The operator's looks at the objects of its cluster: a change that could not be put in force is not forgotten."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from fleet.app.operator.api import each_one
from fleet.app.operator.sync import ObjectSync
from fleet.app.operator.watched import RESOURCES, WatchedObjects
from fleet.app.wiring.home import Home
from fleet.core.records.errors import FleetError, StoreError
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.transport import Transport
from fleet.store.settings import HomeSettings
from fleet.system.clock import WallClock
from tests.unit.app.test_operator_policy import workers


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path / "home")
    found.make()
    return found


def with_ids(found: dict[str, Any], generation: int = 1) -> dict[str, Any]:
    metadata = found["metadata"] | {"uid": f"u-{found['metadata']['name']}", "generation": generation}
    return found | {"metadata": metadata}


def watching(*policies: dict[str, Any]) -> WatchedObjects:
    """The objects as they are after each kind was listed."""
    watched = WatchedObjects(Transport(CredentialSource(), WallClock()), WallClock())
    for kind in RESOURCES:
        watched.kinds[kind].replace([with_ids(each) for each in policies if each["kind"] == kind])
        watched.kinds[kind].reflector.listed = True
    return watched


def operator(home: Home, watched: WatchedObjects) -> ObjectSync:
    transport = Transport(CredentialSource(), WallClock())
    return ObjectSync(home, "here", transport, lambda line: None, watched)


def limit(home: Home) -> str:
    return str(home.policy().pools[0].limits.max_unavailable)


def test_change_that_the_database_refuses_is_put_in_force_later(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(settings: HomeSettings, key: str, value: str) -> None:
        raise StoreError("the primary is gone")

    async def looks() -> None:
        watched = watching(workers(2))
        found = operator(home, watched)
        await found.look(changed=True)
        assert limit(home) == "2"
        watched.kinds["UpgradePolicy"].upsert(with_ids(workers(3), 2))
        with monkeypatch.context() as patch:
            patch.setattr(HomeSettings, "set", refuse)
            await found.look(changed=True)
            await found.look(changed=False)
        assert limit(home) == "2"
        await found.look(changed=False)
        assert limit(home) == "3"

    with caplog.at_level(logging.WARNING, logger="fleet"):
        asyncio.run(looks())
    assert [record.getMessage().count("primary is gone") for record in caplog.records] == [1]


def test_problem_that_comes_back_is_logged_again(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    async def looks() -> None:
        watched = watching(workers(2))
        found = operator(home, watched)
        for generation, stream in enumerate(("", "nowhere", "", "nowhere"), 1):
            spec = {"stream": stream} if stream else {}
            watched.kinds["UpgradePolicy"].upsert(with_ids(workers(2, **spec), generation))
            await found.look(changed=True)
            await found.look(changed=True)

    with caplog.at_level(logging.WARNING, logger="fleet"):
        asyncio.run(looks())
    assert len(caplog.records) == 2


def test_status_of_an_object_is_no_news() -> None:
    watched = watching(workers(2))
    watched.news.clear()
    kind = watched.kinds["UpgradePolicy"]
    kind.upsert(with_ids(workers(2)) | {"status": {"nodes": 3}})
    assert not watched.news.is_set()
    found = watched.find("UpgradePolicy", "workers")
    assert found is not None and found["status"] == {"nodes": 3}
    kind.upsert(with_ids(workers(3), 2))
    assert watched.news.is_set()


def test_object_that_the_api_server_refuses_keeps_no_other_from_being_written() -> None:
    sent: list[int] = []

    async def request(number: int) -> None:
        if number == 1:
            raise FleetError("422")
        sent.append(number)

    with pytest.raises(FleetError, match="422"):
        asyncio.run(each_one(request(number) for number in range(3)))
    assert sent == [0, 2]
