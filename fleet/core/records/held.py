"""A refusal as a value: the reason why something does not happen now. Its messages for users are made here, and only
here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec import Struct, field

from fleet.core.records.reasons.reason import Reason
from fleet.core.records.reasons.spec import ReasonSpec

OPTIONAL: Mapping[str, object] = {"unready": "", "closed": "", "where": ""}
"""Parameters that may be left out, and the values that templates show for them then."""


class Held(Struct, frozen=True, gc=False):
    """One reason why a node, or a whole rollout, waits."""

    reason: Reason
    subject: str = ""
    """The obstacle: a budget, a pod, a zone."""
    params: dict[str, str | int] = field(default_factory=dict, name="facts")
    """The numbers and names that the message and the remedy of the reason contain."""

    @property
    def spec(self) -> ReasonSpec:
        return self.reason.spec

    @property
    def message(self) -> str:
        """Returns one line for a user."""
        return self.spec.message.format_map(_Values(self))

    @property
    def remedy(self) -> str:
        """Returns the remedy. Empty: nothing but waiting is needed. The parameter `advice` replaces the reason's usual
        remedy."""
        if own := self.params.get("advice"):
            return str(own)
        return self.spec.remedy.format_map(_Values(self))

    @property
    def needs_action(self) -> bool:
        """Returns whether an operator has to act, because the wait does not end by itself while the rollout goes on."""
        return self.spec.needs_action

    @property
    def passed_over(self) -> bool:
        """Returns whether other nodes need not wait for this node's turn, and another node becomes the canary."""
        return self.needs_action or self.reason is Reason.OTHERS


class _Values(Mapping[str, object]):
    """The values that a template may name. A missing value is shown as `?`, so that showing a message never fails."""

    MISSING: ClassVar[str] = "?"

    def __init__(self, held: Held) -> None:
        self._values: dict[str, object] = {**OPTIONAL, "subject": held.subject, **held.params}

    def __getitem__(self, key: str) -> object:
        return self._values.get(key, self.MISSING)

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
