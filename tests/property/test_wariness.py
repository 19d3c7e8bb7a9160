"""The place of a machine in phased rollouts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.releases.wariness import LEAST, ZINCATI, node_uuid, siphash13, wariness_of

MACHINE_ID = Path("/etc/machine-id")
TEXTS = [
    b"a",
    b"\xff",
    b"1234567",
    b"12345678",
    b"123456789",
    b"e0f3745b108f471cbd4883c6fbed8cdd\xff",
    bytes(range(256)),
]


@pytest.mark.skipif(sys.hash_info.algorithm != "siphash13", reason="this Python hashes by another function")
def test_siphash_is_that_of_python_without_a_random_key() -> None:
    program = f"print(*(hash(text) % 2**64 for text in {TEXTS!r}))"
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    hashed = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert [siphash13(text) for text in TEXTS] == [int(number) for number in hashed.stdout.split()]


@pytest.mark.skipif(shutil.which("systemd-id128") is None, reason="there is no systemd here")
@pytest.mark.skipif(not MACHINE_ID.exists(), reason="this machine has no id")
def test_id_of_an_application_is_that_of_systemd() -> None:
    command = ["systemd-id128", "machine-id", f"--app-specific={ZINCATI.hex()}"]
    expected = subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    assert node_uuid(MACHINE_ID.read_text().strip()) == expected


@given(st.text())
def test_wariness_is_a_share(machine_id: str) -> None:
    assert LEAST <= wariness_of(machine_id) <= 1.0


def test_machines_are_spread_evenly() -> None:
    machines = [sha256(str(number).encode()).hexdigest()[:32] for number in range(4000)]
    found = sorted(map(wariness_of, machines))
    assert all(abs(wariness - place / 4000) < 0.03 for place, wariness in enumerate(found))
