"""A refusal as a value: why something does not happen now. Its sentences for users are made here, and only here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec import Struct, field

from fleet.core.records.reasons.reason import Reason
from fleet.core.records.reasons.spec import ReasonSpec

OPTIONAL: Mapping[str, object] = {"unready": ""}
"""Parameters that may be left out, and what a template shows then."""


class Held(Struct, frozen=True, gc=False):
    """One reason for which a node, or a whole rollout, waits."""

    reason: Reason
    subject: str = ""
    """What stands in the way: a budget, a pod, a zone."""
    params: dict[str, str | int] = field(default_factory=dict, name="facts")
    """The numbers and names that the sentences of the reason need."""

    @property
    def spec(self) -> ReasonSpec:
        return self.reason.spec

    @property
    def message(self) -> str:
        """Returns one line for a user."""
        return self.spec.message.format_map(_Values(self))

    @property
    def remedy(self) -> str:
        """Returns what to do about it; empty where waiting is all there is to do. The parameter `advice` takes the place
        of what is usually to be done."""
        if own := self.params.get("advice"):
            return str(own)
        return self.spec.remedy.format_map(_Values(self))

    @property
    def needs_action(self) -> bool:
        """Whether the wait does not end by itself while the rollout goes on: an operator has to act."""
        return self.spec.needs_action

    @property
    def passed_over(self) -> bool:
        """Whether nobody waits for the node's turn meanwhile, and another node is the canary."""
        return self.needs_action or self.reason is Reason.OTHERS


class _Values(Mapping[str, object]):
    """The values that a template may name. A missing value shows as `?`, rather than failing before a user."""

    MISSING: ClassVar[str] = "?"

    def __init__(self, held: Held) -> None:
        self._values: dict[str, object] = {**OPTIONAL, "subject": held.subject, **held.params}

    def __getitem__(self, key: str) -> object:
        return self._values.get(key, self.MISSING)

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
