"""Rules of a policy, read as their structs in the core declare them: a field there is a key here, and nothing else.

The name of the field is the key, without `_seconds`. Its type says what may stand behind the key, and its default is what
counts without the key. Fields of other types (selectors, lists, what needs other parts of the file) are read by hand.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from msgspec import Meta, Struct
from msgspec.structs import fields, replace

from fleet.config.document import forms
from fleet.config.document.reader import Reader
from fleet.core.policy.policy import Amount

R = TypeVar("R", bound=Struct)
SECONDS = "_seconds"


def read_rule(reader: Reader, base: R) -> R:
    """Returns the rule with what the mapping says in place of `base`'s values. Mistakes go to the reader's findings."""
    found = {
        field.name: reader.value(field.name.removesuffix(SECONDS), form, getattr(base, field.name))
        for field in fields(base)
        if (form := form_of(field.name, field.type)) is not None
    }
    return replace(base, **found)


def form_of(name: str, type_: Any) -> forms.ValueForm[Any] | None:
    """Returns how the values of a field look in the file. None: the field is no single value of a known form."""
    least = 0
    if hasattr(type_, "__metadata__"):
        metas = [each for each in type_.__metadata__ if isinstance(each, Meta)]
        least = next((each.extra["least"] for each in metas if each.extra and "least" in each.extra), 0)
        type_ = type_.__origin__
    parts = set(get_args(type_)) if get_origin(type_) in (Union, UnionType) else {type_}
    if parts == {int}:
        return forms.seconds(least) if name.endswith(SECONDS) else forms.count(least)
    if parts == {int, NoneType} and name.endswith(SECONDS):
        return forms.GRACE
    if parts == {Amount, NoneType}:
        return forms.AMOUNT
    if parts == {int, Amount}:
        return forms.FAILURES
    if get_origin(type_) is Literal:
        return forms.choice({word: word for word in get_args(type_)})
    return None
