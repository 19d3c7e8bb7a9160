"""A family of samples with one name, as Prometheus reads it.

Names follow Prometheus' rules: base units, `_total` at the end of counters alone, `_timestamp_seconds` for moments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct


class MetricFamily(Struct, frozen=True):
    """All samples of one name."""

    name: str
    """With `_total` for a counter."""
    kind: Literal["gauge", "counter"]
    help: str
    labels: tuple[str, ...]
    samples: tuple[tuple[tuple[str, ...], float], ...]
    """The values of the labels, and the value; each combination of labels once."""


def gauge(
    name: str, text: str, labels: tuple[str, ...], samples: Mapping[tuple[str, ...], float]
) -> MetricFamily:
    """Returns a family of values that go up and down."""
    return MetricFamily(name, "gauge", text, labels, tuple(samples.items()))


def counter(
    name: str, text: str, labels: tuple[str, ...], samples: Mapping[tuple[str, ...], float]
) -> MetricFamily:
    """Returns a family of values that only grow. `name` ends in `_total`."""
    return MetricFamily(name, "counter", text, labels, tuple(samples.items()))


def single(name: str, text: str, value: float | None) -> MetricFamily:
    """Returns a gauge without labels; without a sample where the value is not known."""
    return gauge(name, text, (), {} if value is None else {(): value})


def tally(keys: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], float]:
    """Returns how often each key occurs."""
    counts: dict[tuple[str, ...], float] = {}
    for key in keys:
        counts[key] = counts.get(key, 0.0) + 1.0
    return counts


def timestamp(moment: datetime) -> float:
    """Returns the seconds since 1970-01-01 UTC."""
    return moment.timestamp()
