"""The facts of a host from one observation."""

from __future__ import annotations

import pytest

from fleet.hosts.facts import HostFacts, parse
from fleet.machines.errors import MachineError

WHOLE = """\
boot_id=b-1
machine_id=m-1
kernel=6.1.0
machine=aarch64
state=degraded
os-release
NAME=x
PRETTY_NAME="Box OS 1.0"
"""


def test_host_facts_are_read_completely_or_not_at_all() -> None:
    found = HostFacts("b-1", "m-1", "6.1.0", "degraded", "Box OS 1.0", architecture="arm64")
    assert parse(WHOLE) == found
    for broken in ("", WHOLE.partition("os-release")[0], WHOLE.replace("machine_id=m-1", "machine_id=")):
        with pytest.raises(MachineError, match="was interrupted"):
            parse(broken)


@pytest.mark.parametrize(("reported", "architecture"), [("x86_64", "amd64"), ("sparc", ""), ("", "")])
def test_architecture_has_its_kubernetes_name(reported: str, architecture: str) -> None:
    assert parse(WHOLE.replace("aarch64", reported)).architecture == architecture
    assert parse(WHOLE.replace("machine=aarch64\n", "")).architecture == ""


def test_host_is_up_once_systemd_has_finished_its_start() -> None:
    assert parse(WHOLE).unready == ""
    assert HostFacts("b", "m", "k", "starting").unready == "systemd is starting"
