"""Doubts: facts about a pod's scheduling that fleet cannot know. The plan reports them, and fleet never guesses."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct


class DoubtKind(StrEnum):
    """The subject of a doubt."""

    RESOURCE_CLAIM = "resource-claim"
    SCHEDULER = "scheduler"
    NAMESPACES = "namespaces"
    GANG = "gang"
    CLAIM_UNREAD = "claim-unread"
    VOLUME_UNREAD = "volume-unread"
    CLAIM_UNBOUND = "claim-unbound"
    VOLUME_MADE = "volume-made"


class Doubt(Struct, frozen=True, gc=False):
    """One fact about one pod that fleet cannot know."""

    about: DoubtKind
    subject: str = ""
    """The name of the claim, the scheduler or the selector that the doubt is about."""

    @property
    def message(self) -> str:
        """Returns one line for a user, to follow the pod's name."""
        return f"cannot be known: {MESSAGES[self.about].format(self.subject)}"


MESSAGES: Mapping[DoubtKind, str] = {
    DoubtKind.RESOURCE_CLAIM: "which other node has the devices of its resource claim {} (dynamic resource allocation)",
    DoubtKind.SCHEDULER: "where its scheduler {} lets it go",
    DoubtKind.NAMESPACES: "which namespaces the selector of its affinity means ({})",
    DoubtKind.GANG: "when its group {} of pods is scheduled, all of them or none",
    DoubtKind.CLAIM_UNREAD: "where its volume {} can be used: the PersistentVolumeClaim was not read",
    DoubtKind.VOLUME_UNREAD: "where its volume {} can be used: the PersistentVolume was not read",
    DoubtKind.CLAIM_UNBOUND: "where a volume for its claim {} can be had: none is bound yet",
    DoubtKind.VOLUME_MADE: "where its ephemeral volume {} can be made anew",
}
