"""A fleet that was put back to an older version finds entries in the journal that only the newer one knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.app.rollouts.run import run
from fleet.core.records.errors import SchemaError
from fleet.core.records.journal import JournalRecord
from fleet.core.rollout.replay import rollouts_of
from tests.unit.app.homes import a_home, a_started_rollout


@pytest.mark.parametrize("form", ["decision", "command"])
def test_rollout_with_an_entry_of_a_newer_fleet_is_not_continued(tmp_path: Path, form: str) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    before = home.store.journal.count()
    record = JournalRecord(form, "teleported", "r-1", "east/n-1", {"to": "elsewhere"})  # type: ignore[arg-type]
    home.store.journal.append([record], at=home.now(), actor="fleet@newer")
    with pytest.raises(SchemaError, match=f"entry {before + 1} .* newer fleet") as caught:
        run(home, print, until_idle=True)
    assert "run the newer fleet" in caught.value.hint
    assert home.store.journal.count() == before + 1, "nothing was done, and the entry stays"
    home.close()


def test_entry_of_a_newer_fleet_about_no_rollout_of_this_one_is_left_alone(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    home.store.journal.append(
        [JournalRecord("decision", "weather", "", "", {})], at=home.now(), actor="fleet@newer"
    )
    a_started_rollout(home)
    assert list(rollouts_of(home.store.journal.entries())) == ["r-1"]
    assert home.store.journal.verify() == []
    home.close()
