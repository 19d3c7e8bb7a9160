"""The signs of all third parties, by the place and key of the sign."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleet.core.third_parties.parties import PARTIES
from fleet.core.third_parties.party import MarkPlace, ObjectSign, Party, Sign

BY_NAME: Mapping[str, Party] = {party.name: party for party in PARTIES}

KEEP_OFF: tuple[str, ...] = tuple(party.keep_off for party in PARTIES if party.keep_off)
"""Keys of the annotations that a node carries while fleet works on it, each with the value `true`."""


def _signs() -> Iterator[tuple[Party, Sign]]:
    for party in PARTIES:
        for sign in party.signs:
            yield party, sign


SIGNS: Mapping[tuple[MarkPlace, str], tuple[tuple[Party, Sign], ...]] = {
    place_and_key: tuple((party, sign) for party, sign in _signs() if (sign.place, sign.key) == place_and_key)
    for place_and_key in {(sign.place, sign.key): None for _, sign in _signs()}
}

LABELS: tuple[str, ...] = tuple(key for place, key in SIGNS if place == "label")

OBJECTS: Mapping[str, tuple[Party, ObjectSign]] = {
    sign.resource: (party, sign) for party in PARTIES for sign in party.objects
}
