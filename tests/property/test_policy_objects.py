"""Any policy as objects and back; and the schemas of values against the reader."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.config.document.findings import Findings
from fleet.config.document.forms import ValueForm
from fleet.config.document.fragment import Block, compose
from fleet.config.objects.exporting import objects_of
from fleet.config.objects.files import import_texts
from fleet.config.objects.kinds import LISTS
from tests.unit.config.objects import rich
from tests.unit.config.objects.round_trip import in_order, objects_read, parsed
from tools.crds.schema import every_key

RICH: dict[str, Any] = yaml.load(rich.TEXT, Loader=yaml.BaseLoader)


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every key, and of every item of a list."""
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, below in entries:
        yield (*path, key)
        yield from places(below, (*path, key))


REMOVABLE = sorted(
    {path for path in places(RICH) if not (path[0] in LISTS and path[-1] == "name" and len(path) == 3)}
    - {("pools",)},
    key=str,
)
"""What may be left out: not the names of what becomes an object."""


def without(value: Any, removed: set[tuple[str | int, ...]], path: tuple[str | int, ...] = ()) -> Any:
    if isinstance(value, dict):
        kept = {key: below for key, below in value.items() if (*path, key) not in removed}
        return {key: without(below, removed, (*path, key)) for key, below in kept.items()}
    if isinstance(value, list):
        kept_items = [(index, below) for index, below in enumerate(value) if (*path, index) not in removed]
        return [without(below, removed, (*path, index)) for index, below in kept_items]
    return value


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        rich.write_files(Path(name))
        yield Path(name)


@settings(max_examples=60, deadline=None)
@given(removed=st.sets(st.sampled_from(REMOVABLE), max_size=12))
def test_objects_say_what_the_file_says(folder: Path, removed: set[tuple[str | int, ...]]) -> None:
    """With parts left out, which often makes it wrong: then both have the same number of mistakes."""
    text = yaml.safe_dump(without(RICH, removed), sort_keys=False)
    content, findings = parsed(text, folder)
    document = compose(text, "fleet.yaml", Findings())
    assert isinstance(document, Block)
    # The reader does not ask for the keys of what it could not read.
    objects = list(objects_of(document, {**every_key(), **findings.known_keys}, folder))
    read = objects_read(objects, folder)
    if not content.policy.pools:
        return
    assert sum(map(len, read.problems.values())) == len(findings.problems), (read.problems, findings.problems)
    if read.content is None:
        return
    assert in_order(read.content) == in_order(content)
    again = import_texts([("objects.yaml", yaml.safe_dump_all(objects))], folder)
    back, findings = parsed(again, folder)
    assert findings.problems == []
    assert in_order(back) == in_order(content)


def forms() -> dict[str, ValueForm[Any]]:
    """One form of each kind, by a key that has it."""
    found: dict[str, tuple[str, ValueForm[Any]]] = {}
    for key, asked in every_key().items():
        if asked.form is not None and asked.form.schema.get("type") != "boolean":
            found.setdefault(asked.form.expected, (key, asked.form))
    return {key: form for key, form in found.values() if not form.known or "enum" in form.schema}


FORMS = forms()
TEXTS = st.one_of(
    st.text(alphabet="0123456789%dhms.:-+ noneTZ", max_size=14),
    st.text(alphabet='abcxyzABC_.-/:{}=|"0189', max_size=14),
    st.sampled_from(sorted(set(re.findall(r"[^\s,{}\[\]]+", rich.TEXT)))),
    st.from_regex(r"[0-9]{1,7}%?", fullmatch=True),
    st.from_regex(r"https?://[a-z.]{1,8}(:[0-9]{2,5})?(/[a-z?#=@]{0,6})?", fullmatch=True),
)


def reads(form: ValueForm[Any], text: str) -> bool:
    try:
        form.read(text)
    except ValueError:
        return False
    return True


def allows(schema: Any, text: str) -> bool:
    """What the API server makes of the text; numbers are numbers in objects."""
    number = float(text) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) else None
    in_bounds = number is not None and schema.get("minimum", 0) <= number <= schema.get("maximum", 0)
    if schema.get("type") == "number":
        return in_bounds
    if schema.get("type") == "integer" or ("x-kubernetes-int-or-string" in schema and number is not None):
        return in_bounds and number is not None and number.is_integer()
    if "enum" in schema:
        return text in schema["enum"]
    long_enough = len(text) >= schema.get("minLength", 0)
    return (
        long_enough
        and len(text) <= schema.get("maxLength", 1 << 20)
        and (re.search(schema.get("pattern", ""), text) is not None)
    )


@pytest.mark.parametrize("key", sorted(FORMS))
@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_schema_allows_what_the_reader_reads(key: str, text: str) -> None:
    form = FORMS[key]
    if reads(form, text):
        assert allows(form.schema, text), (form.expected, text)


EVERY = {key: asked.form for key, asked in every_key().items() if asked.form is not None}
EXACT = (
    "pools[].limits.max_unavailable",
    "pools[].failure_limit",
    "pools[].canaries",
    "pools[].windows[].from",
    "pools[].windows[].to",
    "pools[].windows[].days",
    "streams[].releases[].digest",
    "streams[].releases[].rollout.share",
    "quorums[].probe.http.port",
)


@pytest.mark.parametrize("key", EXACT)
@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
def test_reader_reads_what_the_schema_allows(key: str, text: str) -> None:
    """Where a pattern can say the whole rule."""
    asked = EVERY[key]
    is_number = asked.schema.get("type") == "integer" or "x-kubernetes-int-or-string" in asked.schema
    if is_number and re.fullmatch(r"-?[0-9]+(\.0+)?", text):
        text = str(int(float(text)))  # as the API server stores whole numbers
    assert reads(asked, text) == allows(asked.schema, text), (asked.expected, text)
