"""Which host keys are trusted: fleet's verdict and that of `ssh` itself, of real servers, over seeded known_hosts files."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from fleet.machines.access import SshAccess, SshAddress
from fleet.machines.ssh.configuration.openssh import read_settings
from fleet.machines.ssh.host_keys import UnknownKeyError
from fleet.machines.ssh.line import proxied
from fleet.machines.ssh.login import log_in
from tests.machines.knownhosts import Case, Servers, asked_of_ssh, case, servers

SEED, COUNT = 15, 64


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers(tmp_path_factory.mktemp("known")) as found:
        yield found


def by_fleet(config: str, name: str) -> str:
    """known, new, changed or revoked."""
    settings = read_settings(SshAddress(name), SshAccess(config=config))
    line = proxied(settings.command)
    try:
        log_in(line, settings).close()
    except UnknownKeyError as error:
        return error.found
    finally:
        line.close()
    return "known"


def by_ssh(good: bool, message: str) -> tuple[str, ...]:
    """All lines: of a certificate, its key, and the name without its port, each."""
    if good:
        return ("known",)
    text = {"was revoked": "revoked", "has changed": "changed", "host key is known for": "new"}
    found = tuple(verdict for word, verdict in text.items() if word in message)
    assert found, message
    return found


def test_fleet_trusts_the_hosts_that_ssh_trusts(at: Servers) -> None:
    chance = random.Random(SEED)
    seen: Counter[str] = Counter()
    wrong: list[tuple[Case, tuple[str, ...], str, str]] = []
    for number in range(COUNT):
        one = case(chance, at)
        config = at.configured(one, number)
        good, message = asked_of_ssh(config, one.name)
        expected, got = by_ssh(good, message), by_fleet(str(config), one.name)
        seen[expected[0]] += 1
        if got not in expected:
            wrong.append((one, expected, got, message))
    print(
        f"known_hosts files: {COUNT}, of ssh's verdicts {dict(seen)}; other verdicts of fleet: {len(wrong)}"
    )
    assert not wrong, "\n".join(map(str, wrong))
    assert min(seen[each] for each in ("known", "new", "changed", "revoked")) >= 5, seen
