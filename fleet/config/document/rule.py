"""Reads rules of a policy as their structs in the core declare them: each field of a struct is a key of the file, and
there are no other keys.

The name of the field is the key, without `_seconds`. The field's type determines which values are allowed, and its
default counts where the key is missing. Fields of other types (selectors, lists, fields that need other parts of the
file) are read by code of their own.
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
    """Returns the rule with the values of the mapping in place of `base`'s values. Mistakes are added to the reader's
    findings."""
    found = {
        field.name: reader.value(field.name.removesuffix(SECONDS), form, getattr(base, field.name))
        for field in fields(base)
        if (form := form_of(field.name, field.type)) is not None
    }
    return replace(base, **found)


def form_of(name: str, type_: Any) -> forms.ValueForm[Any] | None:
    """Returns the form of a field's values in the file. None: the field is not a single value of a known form."""
    least = 0
    if hasattr(type_, "__metadata__"):
        metas = [meta for meta in type_.__metadata__ if isinstance(meta, Meta)]
        least = next((meta.extra["least"] for meta in metas if meta.extra and "least" in meta.extra), 0)
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
        return forms.choice({choice: choice for choice in get_args(type_)})
    return None
