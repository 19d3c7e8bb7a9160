"""A machine as one source outside of the clusters has it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

SourceKind = Literal["csv", "ansible-facts", "ansible-inventory"]
TEXT_MOST = 256
"""The longest value of a fact that is kept, in characters."""


class MachineRecord(Struct, frozen=True, gc=False, omit_defaults=True):
    """The record that a source has of one machine. All that it does not have is empty."""

    name: str = ""
    addresses: tuple[str, ...] = ()
    machine_id: str = ""
    """As in /etc/machine-id."""
    system_uuid: str = ""
    """The UUID of the hardware, as its firmware has it (SMBIOS)."""
    provider_id: str = ""
    """The id of the cloud's machine, as in `spec.providerID` of a Node."""
    facts: dict[str, str] = {}
    """Values by the names in FACTS."""
    labels: dict[str, str] = {}

    @property
    def key(self) -> str:
        """Returns what names the machine within its source; empty where nothing does."""
        return (
            self.name.casefold()
            or self.provider_id
            or self.system_uuid.casefold()
            or self.machine_id
            or next(iter(self.addresses), "")
        )


FACTS = ("os", "release", "kernel", "architecture", "site", "zone", "serial")
"""The facts that a record may have, in the order in which they are shown."""


class SourcedRecord(Struct, frozen=True):
    """A record, with its source and age."""

    source: str
    """The name under which the source was imported."""
    seen: datetime
    """When the source had it so: as it says itself, or else when its file was last changed."""
    machine: MachineRecord

    @property
    def shown(self) -> str:
        """Returns the machine's name in this source, or whatever else names it there."""
        return self.machine.name or self.machine.key
