"""No text, however odd, makes the policy's reader do anything but answer or say what is wrong."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.config import default_policy_text, loads
from fleet.config.document.forms import seconds
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import ConfigError
from fleet.core.text import durations

VALID = default_policy_text()
LINES = VALID.splitlines()

odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.dates(),
    st.sampled_from(
        ("", "none", "0", "24:00", "mon-", "-", "1h", "100%", "\x00", "\ud800", "sha256:", "../..", "/")
    ),
    st.just([]),
    st.just({}),
    st.just([[{}]]),
    st.just({"name": {"name": []}}),
)


def answers(text: str) -> Policy | None:
    """The policy, or None where it was refused in the way that refusals are."""
    try:
        policy, _ = loads(text)
    except ConfigError as refused:
        assert refused.problems
        assert all(problem.startswith("fleet.yaml:") for problem in refused.problems)
        assert all(len(problem) < 1000 and problem.isprintable() for problem in refused.problems)
        return None
    return policy


@settings(deadline=None)
@given(st.text())
def test_any_text_is_handled(text: str) -> None:
    answers(text)


@settings(deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@`,? \n\t0.~<=", max_size=200))
def test_any_text_that_looks_like_yaml_is_handled(text: str) -> None:
    answers(text)


@settings(deadline=None)
@given(st.data())
def test_policy_with_lines_lost_moved_or_indented_is_handled(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(("lose", "twice", "indent", "uncomment", "cut"))):
            case "lose":
                del lines[at]
            case "twice":
                lines.insert(data.draw(st.integers(0, len(lines))), lines[at])
            case "indent":
                lines[at] = "  " + lines[at]
            case "uncomment":
                lines[at] = lines[at].replace("# ", "", 1)
            case _:
                lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
    answers("\n".join(lines))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


PLACES = [place for place in places(yaml.safe_load(VALID)) if place]


@settings(deadline=None)
@given(st.sampled_from(PLACES), odd)
def test_policy_with_an_odd_value_anywhere_is_handled(place: tuple[Any, ...], value: Any) -> None:
    document = yaml.safe_load(VALID)
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    answers(yaml.safe_dump(document, allow_unicode=True))


@settings(deadline=None)
@given(st.sampled_from(PLACES), st.text(min_size=1, max_size=10))
def test_unknown_key_is_reported_except_where_keys_are_free(place: tuple[Any, ...], key: str) -> None:
    document = yaml.safe_load(VALID)
    inner = document
    for part in place:
        inner = inner[part]
    if isinstance(inner, dict) and place[-1] != "matchLabels":
        inner[f"x-{key}"] = 1
        assert answers(yaml.safe_dump(document)) is None


@settings(deadline=None)
@given(st.integers(0, 30 * 86400))
def test_durations_are_read_as_they_are_printed(length: int) -> None:
    reported = durations.format_duration(length)
    read = seconds(0).read(reported)
    assert durations.format_duration(read) == reported
