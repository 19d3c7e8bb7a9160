"""What docs/crds.md shows is valid, and what it says of kinds and conditions is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from fleet.core.custom_resources.condition import ConditionType
from fleet.core.custom_resources.condition_reason import ConditionReason
from tests.unit.config.objects.examples import PAGE, objects_in_docs
from tests.unit.config.objects.round_trip import objects_read
from tools.crds.kinds import kinds


def test_examples_are_a_policy(tmp_path: Path) -> None:
    read = objects_read(objects_in_docs(), tmp_path)
    assert read.problems == {}
    assert read.content is not None
    assert [pool.name for pool in read.content.policy.pools] == ["control", "workers"]


def test_every_kind_is_shown_and_has_its_short_name() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert {each["kind"] for each in objects_in_docs()} == {kind.kind for kind in kinds()}
    for kind in kinds():
        assert f"| `{kind.kind}` | `{kind.short}` |" in text


def test_conditions_and_their_reasons_are_those_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| [\w, ]+ \| (.+) \|$", text.partition("| condition |")[2], re.MULTILINE)
    assert {name for name, _ in rows} == set(get_args(ConditionType))
    words = {word for _, meaning in rows for word in re.findall(r"`([A-Z]\w+)`", meaning)} - {"False"}
    assert words <= {str(reason) for reason in ConditionReason}
