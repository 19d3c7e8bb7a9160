"""Measures a gate by the alerts that fire in Alertmanager.

Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml (GET /alerts)
"""

from __future__ import annotations

from msgspec import Struct

from fleet.core.policy.gate import AlertsGate, GateVerdict
from fleet.core.text.counts import counted
from fleet.gates.answer import Measurement
from fleet.system.web import NoAnswerError, ask, decoded

NAMED = 3
"""So many alerts are named."""
ACTIVE = (("active", "true"), ("silenced", "false"), ("inhibited", "false"), ("unprocessed", "true"))
"""Alerts whose silences and inhibitions are not known yet count as firing."""


class Alert(Struct):
    labels: dict[str, str] = {}


async def measure(gate: AlertsGate) -> Measurement:
    """Returns good if no alert fires that matches."""
    filters = [("filter", matcher) for matcher in gate.matchers]
    try:
        answer = await ask("GET", f"{gate.url.rstrip('/')}/api/v2/alerts", [*ACTIVE, *filters])
        if answer.status != 200:
            raise NoAnswerError(f"status {answer.status}: {answer.body[:200].decode(errors='replace')}")
        alerts: list[Alert] = decoded(answer.body, list[Alert])
    except NoAnswerError as error:
        return Measurement(GateVerdict.UNKNOWN, str(error))
    if not alerts:
        return Measurement(GateVerdict.GOOD, "no alert fires")
    names = sorted({each.labels.get("alertname", "without a name") for each in alerts})
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    count = counted(len(alerts), "alert")
    return Measurement(GateVerdict.BAD, f"{count} firing: {', '.join(names[:NAMED])}{more}")
