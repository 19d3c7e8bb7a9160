"""What fleet cannot know about where a pod can land: said in the plan, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct


class About(StrEnum):
    RESOURCE_CLAIM = "resource-claim"
    SCHEDULER = "scheduler"
    NAMESPACES = "namespaces"
    GANG = "gang"
    CLAIM_UNREAD = "claim-unread"
    VOLUME_UNREAD = "volume-unread"
    CLAIM_UNBOUND = "claim-unbound"
    VOLUME_MADE = "volume-made"


class Doubt(Struct, frozen=True, gc=False):
    about: About
    subject: str = ""
    """A name: of a claim, a scheduler, a selector."""

    @property
    def words(self) -> str:
        """One line for a person, after the pod's name."""
        return f"cannot be known: {WORDS[self.about].format(self.subject)}"


WORDS: Mapping[About, str] = {
    About.RESOURCE_CLAIM: "which other node has the devices of its resource claim {} (dynamic resource allocation)",
    About.SCHEDULER: "where its scheduler {} lets it go",
    About.NAMESPACES: "which namespaces the selector of its affinity means ({})",
    About.GANG: "when its group {} of pods is scheduled, all of them or none",
    About.CLAIM_UNREAD: "where its volume {} can be used: the PersistentVolumeClaim was not read",
    About.VOLUME_UNREAD: "where its volume {} can be used: the PersistentVolume was not read",
    About.CLAIM_UNBOUND: "where a volume for its claim {} can be had: none is bound yet",
    About.VOLUME_MADE: "where its ephemeral volume {} can be made anew",
}
