"""What fleet status and fleet notify list say of messages that did not arrive."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.app.messages.trial import send_trial
from fleet.app.wiring.home import Home
from fleet.cli.views.alerting.messages import message_list
from fleet.cli.views.status import glance
from fleet.core.notifications.delivery import Delivery, DeliveryState
from fleet.core.notifications.overview import UndeliveredMessages, overview_of, undelivered
from fleet.core.policy.alerting.notification import Notification
from fleet.core.records.errors import FleetError, UsageError
from fleet.core.reporting.status import FleetStatus, StatusCluster, Summary
from fleet.lab.simulation.builders import START
from tests.golden import GoldenFiles

TOKEN = "T0K3N"


def delivery(
    key: str, seq: int, state: DeliveryState, error: str = "", receiver: str = "on-call"
) -> Delivery:
    return Delivery(
        receiver=receiver,
        key=key,
        seq=seq,
        at=START,
        important=False,
        waits=state is DeliveryState.SENT,
        title=f"Rollout r-{seq} is done: workers to 44.2",
        body="",
        state=state,
        queued_at=START,
        error=error,
    )


DELIVERIES = [
    delivery("d", 4, DeliveryState.QUEUED),
    delivery("c", 3, DeliveryState.QUEUED, "refused with status 429"),
    delivery("b", 2, DeliveryState.FAILED, "no answer within 20 s"),
    delivery("a", 1, DeliveryState.SENT),
    delivery("a", 1, DeliveryState.SENT, receiver="chat"),
]
RECEIVERS = [Notification(name="on-call", url_env="FLEET_A"), Notification(name="chat", url_env="FLEET_B")]
NOW = START + timedelta(minutes=5)


def test_list_has_receivers_and_messages(golden: GoldenFiles) -> None:
    golden.check(message_list(overview_of(RECEIVERS, DELIVERIES), NOW).plain)


def test_status_has_a_line_about_what_did_not_arrive() -> None:
    found = undelivered(DELIVERIES, NOW)
    assert found == (
        UndeliveredMessages(receiver="on-call", waiting=1, lost=1, error="refused with status 429"),
    )
    cluster = StatusCluster("east", ("fra",), True, NOW)
    status = FleetStatus(NOW, (cluster,), (), Summary(0, 0, {}, {}, {}, ()))
    assert "Notify" not in glance(status).plain
    (line,) = [
        line
        for line in glance(replace(status, undelivered=found)).plain.split("\n")
        if line.startswith("Notify")
    ]
    assert "on-call" in line and "429" in line and "1 lost" in line


def test_what_was_lost_long_ago_is_not_shown() -> None:
    assert undelivered(DELIVERIES[2:], NOW + timedelta(days=3)) == ()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "fleet.yaml").write_text(
        "pools: [{name: workers}]\nnotifications: [{name: on-call, url_file: url}]\n"
    )
    return Home(tmp_path)


def test_a_trial_names_what_is_wrong_without_the_url(home: Home) -> None:
    with pytest.raises(UsageError) as unknown:
        send_trial(home, "nobody")
    assert "on-call" in unknown.value.hint
    for content in ("", f"what://{TOKEN}", f"json://127.0.0.1:1/{TOKEN}"):
        (home.path / "url").write_text(content)
        with pytest.raises(FleetError) as refused:
            send_trial(home, "on-call")
        assert TOKEN not in refused.value.full_message
