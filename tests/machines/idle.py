"""What agents that have nothing to do take of their hosts and of the API server."""

from __future__ import annotations

import re
import time

from tests.cluster.rest import Cluster
from tests.machines.host import Host

PROCESS = (
    "for each in /proc/[0-9]*; do "
    "if tr '\\0' ' ' < $each/cmdline 2>/dev/null | grep -q 'fleet.*[a]gent'; then grep VmHWM $each/status; fi; "
    "done"
)
COUNTED = re.compile(r"^apiserver_request_total\{(?P<labels>.*)\} (?P<count>\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')


def resident(host: Host) -> float:
    """MB that its agent has taken at most since it was started."""
    found = [int(each) / 1024 for each in re.findall(r"VmHWM:\s+(\d+) kB", host.run(PROCESS))]
    assert found, f"no agent runs on {host.name}"
    return max(found)


def asked(api: Cluster) -> dict[str, float]:
    """Requests about Machines that the API server has answered, by verb."""
    with api.open("/metrics") as answer:
        text = answer.read().decode()
    found: dict[str, float] = {}
    for line in COUNTED.finditer(text):
        labels = dict(LABEL.findall(line["labels"]))
        if labels["resource"] == "machines":
            found[labels["verb"]] = found.get(labels["verb"], 0.0) + float(line["count"])
    return found


def asked_in(api: Cluster, seconds: float) -> dict[str, float]:
    """How many more there were after so long."""
    before = asked(api)
    time.sleep(seconds)  # noqa: TID251 - the time is what is measured over
    return {verb: count - before.get(verb, 0.0) for verb, count in asked(api).items()}
