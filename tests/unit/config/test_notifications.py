"""The part `notifications` of a policy: a URL is a secret, and is neither read from the file nor repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.document.findings import Findings
from fleet.config.policy import load_file, read
from fleet.core.policy.alerting.notification import Notification, NotificationEvent

POOLS = "pools: [{name: workers}, {name: gpu}]\n"
TOKEN = "T0K3N-xoxb-1234"


def problems(text: str) -> list[str]:
    findings = Findings()
    read(POOLS + text, "fleet.yaml", findings)
    return findings.problems


def test_receivers_are_read_with_paths_beside_the_policy(tmp_path: Path) -> None:
    policy = tmp_path / "fleet.yaml"
    policy.write_text(
        f"{POOLS}notifications:\n"
        "  - {name: chat, url_file: chat.url, on: [halted, done], pools: [gpu], remind: 2h}\n"
        "  - {name: mail, url_env: FLEET_MAIL}\n"
    )
    chat, mail = load_file(policy)[0].notifications
    assert chat == Notification(
        name="chat",
        url_file=str(tmp_path / "chat.url"),
        on=frozenset({NotificationEvent.HALTED, NotificationEvent.DONE}),
        pools=("gpu",),
        remind_seconds=7200,
    )
    assert mail == Notification(name="mail", url_env="FLEET_MAIL")
    assert mail.on == frozenset(NotificationEvent)


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ("{name: chat}", "notifications.chat: expected one of url_file and url_env"),
        ("{name: chat, url_file: a, url_env: FLEET_A}", "notifications.chat: expected one of"),
        ("{name: chat, url_env: CHAT}", "notifications.chat.url_env: "),
        ("{name: chat, url_file: a, on: [halt]}", "notifications.chat.on: "),
        ("{name: chat, url_file: a, pools: [storage]}", "notifications.chat.pools: "),
        ("{name: chat, url_file: a, remind: 5s}", "notifications.chat.remind: "),
        ("{url_file: a}", "notifications[0]: expected the key name"),
        ("{name: chat, url_file: a}, {name: chat, url_file: b}", "notifications.chat.name: "),
    ],
)
def test_a_mistake_is_named_with_its_key(entry: str, key: str) -> None:
    found = problems(f"notifications: [{entry}]")
    assert len(found) == 1 and key in found[0], found


def test_a_url_in_the_policy_is_refused_and_not_repeated() -> None:
    found = problems(f"notifications: [{{name: chat, url: 'slack://{TOKEN}'}}]")
    assert len(found) == 2 and "url_file and url_env" in found[0]
    assert TOKEN not in "".join(found)
