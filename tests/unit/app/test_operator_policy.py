"""The policy of objects as the policy of an operator's home: whole, or as it was before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleet.app.operator.policy import HEADER, assembled, put_in_force
from fleet.app.wiring.home import Home
from fleet.core.records.errors import UsageError
from tests.unit.app.homes import POLICY

RELEASE = {"version": "1.0", "digest": f"sha256:{'a' * 64}", "kernel": "6.1.0"}


def an_object(kind: str, name: str, **spec: object) -> dict[str, Any]:
    return {"apiVersion": "fleet.internal/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def workers(most: object = 2, **spec: object) -> dict[str, Any]:
    return an_object(
        "UpgradePolicy",
        "workers",
        selector={"matchLabels": {"pool": "workers"}},
        releases=[RELEASE],
        limits={"maxUnavailable": most},
        **spec,
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path / "home")
    found.make()
    return found


def apply(home: Home, *objects: dict[str, Any]) -> bool:
    return put_in_force(home, assembled(home, objects))


def limit(home: Home) -> str:
    return str(home.policy().pools[0].limits.max_unavailable)


def test_objects_become_the_policy_and_a_change_of_them_changes_it(home: Home) -> None:
    assert apply(home, workers(2))
    assert limit(home) == "2"
    assert not apply(home, workers(2)), "the file is not written again"
    assert apply(home, workers(3), an_object("FleetConfig", "default", limits={"maxUnavailable": 9}))
    assert (limit(home), str(home.policy().limits.max_unavailable)) == ("3", "9")


def test_object_with_a_mistake_leaves_the_last_policy_in_force(home: Home) -> None:
    apply(home, workers(2))
    broken = assembled(home, [workers(3), an_object("Freeze", "december", until="2026-12-24")])
    assert broken.problems.keys() == {"freezes/december"}
    assert not put_in_force(home, broken)
    assert limit(home) == "2"


def test_new_home_takes_the_last_policy_without_mistakes_from_the_database(
    home: Home, tmp_path: Path
) -> None:
    apply(home, workers(2))
    other = Home(tmp_path / "other", home.database)
    other.path.mkdir()
    assert apply(other, workers("many"))
    assert limit(other) == "2"


def test_without_any_policy_before_a_mistake_keeps_the_operator_from_its_work(home: Home) -> None:
    with pytest.raises(UsageError, match="mistakes"):
        apply(home, workers("many"))
    assert not home.has_policy


def test_without_upgrade_policies_no_node_belongs_to_fleet(home: Home) -> None:
    assert not apply(home)
    apply(home, workers())
    assert apply(home, an_object("FleetConfig", "default", limits={"maxUnavailable": 9}))
    assert home.policy_if_any().pools == ()


def test_file_of_a_user_is_not_overwritten(home: Home) -> None:
    home.policy_file.write_text(POLICY)
    with pytest.raises(UsageError, match="would be lost"):
        apply(home, workers())
    assert home.policy_file.read_text() == POLICY


def test_written_policy_says_that_it_is_not_to_be_edited(home: Home) -> None:
    apply(home, workers())
    assert home.policy_file.read_text().startswith(HEADER)
