"""Parses quantities of resources as Kubernetes writes them: `100m`, `1.5Gi`, `2e3`."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

MOST = 2**63 - 1
"""The largest quantity; the API server caps larger ones too. Source: apimachinery, pkg/api/resource/quantity.go."""

_QUANTITY = re.compile(
    r"([+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40}))([eE][+-]?\d{1,2}|[KMGTPE]i|[numkMGTPE])?"
)
_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}


def whole(quantity: str | int | float) -> int:
    """Returns a quantity in whole units (bytes, pods), rounded up as the API server does. Raises ValueError for a text
    that is no quantity."""
    return _scaled(str(quantity), 1)


def milli(quantity: str | int | float) -> int:
    """Returns a quantity in thousandths (millicores), rounded up. Raises ValueError for a text that is no quantity."""
    return _scaled(str(quantity), 1000)


@lru_cache(maxsize=4096)
def _scaled(text: str, scale: int) -> int:
    found = _QUANTITY.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"expected a quantity such as 500m or 1.5Gi, found {text[:40]!r}")
    number, suffix = found.groups()
    factor = Decimal(1)
    if suffix:
        factor = _SUFFIXES[suffix] if suffix in _SUFFIXES else Decimal(f"1{suffix}")
    value = (Decimal(number) * factor * scale).to_integral_value(ROUND_CEILING)
    return max(-MOST, min(MOST, int(value)))
