"""Describes what a reader asks of a key. The schemas of the API's objects are made from it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from fleet.config.document.forms import FILE, TEXT, ValueForm


class AskedKey(Struct, frozen=True):
    kind: Literal["value", "values", "pairs", "block", "blocks"]
    """`values` is a list of values, `pairs` a mapping with keys of the user's choice, `blocks` a list of mappings."""
    form: ValueForm[Any] | None = None
    """The form of a value."""
    names: ValueForm[str] | None = None
    """The form of the keys of pairs."""
    required: bool = False
    items: str = ""
    """The pattern of the mappings in the list, where it is another one than that of the list."""

    def both(self, other: AskedKey) -> AskedKey:
        """Returns what is asked of a key that is asked for twice, as where a mapping has several forms: that which
        allows less. A single value is required where each form requires it, and a list has items where one form requires
        them: a list that is not given has none."""
        first = self if self._says >= other._says else other
        single = first.kind == "value"
        required = self.required and other.required if single else self.required or other.required
        return first if first.required == required else replace(first, required=required)

    @property
    def _says(self) -> tuple[bool, int]:
        return self.kind != "value", 0 if self.form is TEXT else 1 if self.form is FILE else 2
