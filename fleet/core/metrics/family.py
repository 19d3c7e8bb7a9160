"""A family of samples with one name, as Prometheus reads it.

Names follow Prometheus' rules: base units, `_total` at the end of counters alone, `_timestamp_seconds` for moments.
"""

from __future__ import annotations

from collections.abc import Mapping
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
