"""JSON of strangers: decoded, or refused by one kind of error, whatever it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from fleet.core.text.untrusted import DEEPEST, LONGEST_NUMBER, UnreadableError, convert, decode


class Named(Struct):
    name: str
    count: int = 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b'"\xff"',
        b'{"name": "\xc3"}',
        '"\ud800"',
        b'"\\ud800"',
        b'"\\ud800\\u0041"',
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"1" * (LONGEST_NUMBER + 1),
        b'{"count": ' + b"9" * 5000 + b"}",
        b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b'{"name": "x", "other": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"name": null}',
    ],
    ids=lambda content: repr(content[:30]),
)
def test_json_that_is_too_deep_too_long_or_invalid_is_refused(content: str | bytes) -> None:
    with pytest.raises(UnreadableError) as refused:
        decode(content, Named)
    assert 0 < len(str(refused.value)) <= 200


def test_brackets_and_digits_in_strings_do_not_count() -> None:
    text = '[[[{{{\\"' * 1000 + "9" * 1000
    assert decode(json.dumps({"name": text}), Named) == Named(text)
    assert decode(b"[" * DEEPEST + b"]" * DEEPEST) is not None


def test_part_is_converted_or_refused_in_the_same_way() -> None:
    assert convert({"name": "x", "count": 2}, Named) == Named("x", 2)
    with pytest.raises(UnreadableError):
        convert({"name": 1}, Named)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=30,
    )
)
def test_valid_json_is_read_as_it_was_written(value: Any) -> None:
    assert decode(json.dumps(value)) == value


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_bytes_are_handled(content: str | bytes) -> None:
    try:
        decode(content)
    except UnreadableError:
        return
