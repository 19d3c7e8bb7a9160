"""Types of policy keys that have a bound."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

AtLeastOne = Annotated[int, Meta(extra={"least": 1})]
"""The type of a policy's key with a minimum of 1, which `fleet.config.document.rule` checks. The JSON schema has no
bound."""
