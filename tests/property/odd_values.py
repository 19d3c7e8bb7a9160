"""Values of any shape, and valid documents with something odd in one place."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

ODD: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    2**63,
    -(2**63) - 1,
    10**400,
    1e308,
    "",
    "x" * 300,
    "\x00",
    "é\u202e",
    "9" * 5000,
    "2026-99-99",
    "../../etc/passwd",
    "-5Gi",
    "1e99",
    "110%",
    [],
    {},
    [[]],
    [None],
    [{}],
    {"": {}},
    {"metadata": None},
)

odd = st.sampled_from(ODD)
anything = st.recursive(
    st.one_of(odd, st.text(max_size=20), st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=20,
)


@st.composite
def bent(draw: st.DrawFn, good: Any, most: int = 3) -> Any:
    """A copy with one to `most` of its values changed, taken away, or doubled."""
    found = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, most))):
        places = list(_places(found))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(("change", "change", "drop", "double", "lift"))):
            case "change":
                holder[key] = copy.deepcopy(draw(st.one_of(odd, anything)))
            case "drop":
                del holder[key]
            case "double" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
            case _:
                holder[key] = [copy.deepcopy(holder[key])]
    return found


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every list or map in it, with each of its keys."""
    found: list[tuple[Any, Any]] = []
    inside = [value]
    while inside:
        each = inside.pop()
        keys: list[Any] = (
            list(each) if isinstance(each, dict) else list(range(len(each))) if isinstance(each, list) else []
        )
        for key in keys:
            found.append((each, key))
            inside.append(each[key])
    return found
