"""What one look at a host tells."""

from __future__ import annotations

import pytest

from fleet.hosts.facts import Facts, parse
from fleet.machines.os.family import MachineError

WHOLE = """\
boot_id=b-1
machine_id=m-1
kernel=6.1.0
state=degraded
failed=nginx.service
failed=cups.service
os-release
NAME=x
PRETTY_NAME="Box OS 1.0"
"""


def test_a_look_is_understood_whole_or_not_at_all() -> None:
    found = Facts("b-1", "m-1", "6.1.0", "degraded", ("nginx.service", "cups.service"), "Box OS 1.0")
    assert parse(WHOLE) == found
    for broken in ("", WHOLE.partition("os-release")[0], WHOLE.replace("machine_id=m-1", "machine_id=")):
        with pytest.raises(MachineError, match="broke off"):
            parse(broken)


def test_what_had_failed_before_does_not_count_and_what_fails_since_does() -> None:
    found = parse(WHOLE)
    assert found.unready(None) == ""
    assert found.unready(("nginx.service", "cups.service", "gone.service")) == ""
    assert found.unready(("cups.service",)) == "failed since: nginx.service"
    assert Facts("b", "m", "k", "starting").unready(()) == "systemd is starting"
