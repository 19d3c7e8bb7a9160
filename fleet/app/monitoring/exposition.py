"""Writes metrics as Prometheus reads them, by the official client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector

from fleet.core.metrics.family import MetricFamily
from fleet.core.text.visible import visible


def exposition(families: Iterable[MetricFamily], accept: str) -> tuple[bytes, str]:
    """Returns the text and its content type, in the format that the header `Accept` asks for. Metrics of the process
    itself (memory, CPU, open files) are added."""
    registry = CollectorRegistry()
    registry.register(_Families(list(families)))
    ProcessCollector(registry=registry)
    encoder, content_type = choose_encoder(accept)
    return encoder(registry), content_type


class _Families:
    def __init__(self, families: list[MetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            yield _metric(family)


def _metric(family: MetricFamily) -> Metric:
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for labels, value in family.samples:
        # What hosts and clusters report may contain control characters, which a terminal would obey.
        metric.add_metric([visible(label) for label in labels], value)
    return metric
