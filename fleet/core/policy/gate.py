"""Gates: what must hold before a rollout goes on from its canaries to the rest of a pool, or from one stage to the next."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from fleet.core.policy.bounds import AtLeastOne


class GateVerdict(StrEnum):
    """The result of one measurement of a gate. Only `GOOD` lets a gate pass: a question without an answer is not a pass."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"
    """There is no answer, or no data in it."""


class Gate(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """The fields of every gate. A gate passes when all measurements of `for_seconds` were good, without a break."""

    name: str
    for_seconds: int = 0
    """How long the measurements must be good. Zero: one good measurement is enough."""
    every_seconds: AtLeastOne = 30
    """The time between two measurements."""
    bad: AtLeastOne = 2
    """So many bad measurements one after another fail the gate, which halts the rollout."""
    timeout_seconds: AtLeastOne = 3600
    """A gate that has not passed this long after it was reached has failed."""


class SoakGate(Gate, frozen=True, kw_only=True, tag="soak"):
    """Passes after `for_seconds`; nothing is measured."""


class OperatorGate(Gate, frozen=True, kw_only=True, tag="operator"):
    """Passes when an operator says so (`fleet rollout pass`). It never fails by time."""


class PrometheusGate(Gate, frozen=True, kw_only=True, tag="prometheus"):
    """A query of Prometheus, whose every value must be inside the bounds.

    Source: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
    """

    url: str
    """The URL of the server, without `/api/v1/query`."""
    query: str
    below: float | None = None
    """Good values are smaller."""
    above: float | None = None
    """Good values are greater."""
    token_file: str = ""
    """A file with the bearer token. Empty: no token is sent."""


class HttpGate(Gate, frozen=True, kw_only=True, tag="http"):
    """A GET request whose answer must have the status and contain the text."""

    url: str
    status: int = 200
    contains: str = ""


class AlertsGate(Gate, frozen=True, kw_only=True, tag="alerts"):
    """No alert that matches fires in Alertmanager; silenced and inhibited ones do not count.

    Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
    """

    url: str
    """The URL of the server, without `/api/v2/alerts`."""
    matchers: tuple[str, ...] = ()
    """Such as `severity="critical"`; all must match. Empty: every alert matches."""


class CommandGate(Gate, frozen=True, kw_only=True, tag="command"):
    """A program on the controller's machine. Good: it exits with 0. Bad: with 1. Anything else is no answer."""

    command: tuple[str, ...]


class WorkloadsGate(Gate, frozen=True, kw_only=True, tag="workloads"):
    """Every Deployment, StatefulSet and DaemonSet that had pods on the nodes is as ready as before. The engine measures
    this itself, on what it knows of the clusters. `bad` does not count: pods need their time to become Ready."""


AnyGate = SoakGate | OperatorGate | PrometheusGate | HttpGate | AlertsGate | CommandGate | WorkloadsGate
