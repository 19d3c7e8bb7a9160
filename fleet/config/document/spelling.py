"""Spells the keys that readers ask for: as `fleet.yaml` does, or in camelCase as objects of the API do."""

from __future__ import annotations

import re
from collections.abc import Collection

from msgspec import Struct

_JOINT = re.compile(r"[_-]([a-z])")
_KEY = re.compile(r"'[^']*'|\b[a-z]+(?:[_-][a-z]+)+\b")
"""Matches what may be a key of several words, and what is quoted: a user's value stays as it is."""


def camel(key: str) -> str:
    """Returns the key in camelCase: `max_unavailable` is `maxUnavailable`."""
    return _JOINT.sub(lambda joint: joint[1].upper(), key)


class Spelling(Struct, frozen=True):
    """The spelling of keys, and of places in messages."""

    in_objects: bool = False
    """Whether the document consists of objects of the API."""

    @property
    def root(self) -> str:
        """Returns the path of the outermost mapping."""
        return "spec" if self.in_objects else ""

    def key(self, key: str) -> str:
        """Returns the key as the document spells it. `key`: as `fleet.yaml` does."""
        return camel(key) if self.in_objects else key

    def label(self, name: str, index: int) -> str:
        """Returns what follows the path of a list for the place of an item: its name where a user finds it by that, or
        else its position."""
        return f".{name}" if name and not self.in_objects else f"[{index}]"

    def message(self, message: str, keys: Collection[str]) -> str:
        """Returns the message with keys as the document spells them. `keys`: all keys, as `fleet.yaml` spells them."""
        if not self.in_objects:
            return message
        return _KEY.sub(lambda found: camel(found[0]) if found[0] in keys else found[0], message)


FILE = Spelling()
OBJECTS = Spelling(in_objects=True)
