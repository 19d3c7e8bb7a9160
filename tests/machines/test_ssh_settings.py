"""What fleet takes from an ssh configuration, beside what `ssh` itself does with it, over seeded files."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from fleet.core.records.errors import UsageError
from fleet.machines.access import SshAccess, SshAddress, address_of
from fleet.machines.ssh.configuration import openssh
from fleet.machines.ssh.configuration.settings import SshSettings
from tests.installed import installed
from tests.machines.knownhosts import RELAY
from tests.machines.sshconfigs import HOST, written
from tests.machines.sshd import Sshd, sshd

SEED, COUNT, PLAIN = 15, 64, 200


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "relay.py").write_text(RELAY)
    with sshd(folder) as found:
        yield found


def said_by_ssh(
    config: Path, *message: str, host: str = HOST, environment: dict[str, str] | None = None
) -> str:
    argv = [
        "ssh",
        "-v",
        "-T",
        "-F",
        str(config),
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=yes",
        *message,
    ]
    done = subprocess.run(
        [*argv, "--", host, "true"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    return done.stderr


def done_by_ssh(config: Path, server: Sshd, host: str = HOST) -> dict[str, object]:
    """Where it goes, as whom, with which files; it is led to the server, whose key it does not know."""
    relay = f"ProxyCommand={sys.executable} -S -E {server.folder}/relay.py {server.port}"
    text = said_by_ssh(config, "-o", "ProxyJump=none", "-o", relay, host=host)
    there = re.search(r"Authenticating to (.*):(\d+) as '(.*)'", text)
    assert there is not None, text
    alias = re.search(r"using hostkeyalias: (.*)", text)
    return {
        "host": there[1],
        "port": int(there[2]),
        "user": there[3],
        "alias": alias[1].strip() if alias else "",
        "identities": re.findall(r"identity file (.*) type -1", text),
        "certificates": re.findall(r"certificate file (.*) type -1", text),
        "known_hosts": [*dict.fromkeys(re.findall(r"load_hostkeys: fopen (.*): No such file", text))],
    }


def meant_by_fleet(settings: SshSettings) -> dict[str, object]:
    beside = [[each] if settings.certificates else [each, f"{each}-cert"] for each in settings.identities]
    return {
        "host": settings.host,
        "port": settings.port,
        "user": settings.user,
        "alias": settings.alias,
        "identities": [each for some in beside for each in some],
        "certificates": [*settings.certificates],
        "known_hosts": [*dict.fromkeys(settings.known_hosts)],
    }


def command_of_ssh(config: Path, shell: Path) -> str:
    """What it runs to get there, or would: the shell runs what Match asks, and no way to a machine."""
    found = re.search(
        r"Executing proxy command: exec (.*)", said_by_ssh(config, environment={"SHELL": str(shell)})
    )
    return found[1].strip() if found else ""


def command_of_fleet(settings: SshSettings, config: Path) -> str:
    """As ssh writes a jump: another ssh, with the hosts before it as -J."""
    if not settings.jumps:
        return settings.command
    *further, nearest = settings.jumps
    jump = address_of(nearest)
    message = [f"-l {jump.user}"] if jump.user else []
    message += [f"-p {jump.port}"] if jump.port else []
    message += [f"-J {','.join(further)}"] if further else []
    return " ".join(
        ("ssh", *message, f"-F {config}", "-v", f"-W '[{settings.host}]:{settings.port}'", jump.host)
    )


def test_fleet_connects_where_ssh_connects(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_TEST", "of-the-environment")
    shell = tmp_path / "shell"
    shell.write_text('#!/bin/sh\ncase "$2" in "exec "*) exit 1;; esac\nexec /bin/sh "$@"\n')
    shell.chmod(0o755)
    chance = random.Random(SEED)
    seen: Counter[str] = Counter()
    for number in range(COUNT):
        config = written(chance, tmp_path / f"{number}", plain=False)
        settings = openssh.read_settings(SshAddress(HOST), SshAccess(config=str(config)))
        assert meant_by_fleet(settings) == done_by_ssh(config, server), config.read_text()
        if settings.command or settings.jumps:
            seen["jump" if settings.jumps else "command"] += 1
            assert command_of_fleet(settings, config) == command_of_ssh(config, shell), config.read_text()
        seen["alias"] += bool(settings.alias)
        seen["certificate"] += bool(settings.certificates)
        seen["include"] += "Include" in config.read_text()
        seen["match"] += "Match" in config.read_text()
    print(f"configurations: {COUNT}, of them with {dict(seen)}; all as ssh does")
    assert min(seen[each] for each in ("jump", "command", "alias", "certificate", "include", "match")) >= 5, (
        seen
    )


def test_without_openssh_a_plain_configuration_is_read_as_ssh_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("ssh", "openssh-client")
    chance = random.Random(SEED)
    read = 0
    for number in range(PLAIN):
        config = written(chance, tmp_path / f"{number}", plain=True)
        access = SshAccess(config=str(config))
        with_it = openssh.read_settings(SshAddress(HOST), access)
        with monkeypatch.context() as without:
            without.setattr(openssh, "PROGRAM", "no-such-ssh")
            alone = openssh.read_settings(SshAddress(HOST), access)
        assert compared(alone) == compared(with_it), config.read_text()
        read += 1
    print(f"plain configurations without OpenSSH: {read}, all as ssh -G tells them")


@pytest.mark.parametrize("with_openssh", [True, False])
@pytest.mark.parametrize("host", ["fe80::1%eth0", "n-1"])
def test_ipv6_zones_and_percent_signs_in_system_files_are_kept_as_ssh_keeps_them(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, with_openssh: bool
) -> None:
    """Sites without a router reach their nodes by addresses of a link."""
    config = tmp_path / "config"
    config.write_text(
        "Host fe80*\n  User core\nHost n-1\n  HostName fe80::2%%%h\n"
        "Host *\n  UserKnownHostsFile ~/none/%h\n  GlobalKnownHostsFile ~/none/%h-of-all\n  IdentityFile ~/none\n"
    )
    if not with_openssh:
        monkeypatch.setattr(openssh, "PROGRAM", "no-such-ssh")
    settings = openssh.read_settings(SshAddress(host), SshAccess(config=str(config)))
    assert meant_by_fleet(settings) == done_by_ssh(config, server, host)


def test_without_openssh_other_configurations_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("ssh", "openssh-client")
    monkeypatch.setenv("FLEET_TEST", "of-the-environment")
    chance = random.Random(SEED)
    seen: Counter[str] = Counter()
    for number in range(COUNT):
        config = written(chance, tmp_path / f"{number}", plain=False)
        access = SshAccess(config=str(config))
        with_it = openssh.read_settings(SshAddress(HOST), access)
        with monkeypatch.context() as without:
            without.setattr(openssh, "PROGRAM", "no-such-ssh")
            try:
                alone = openssh.read_settings(SshAddress(HOST), access)
            except UsageError as error:
                assert f"{config}:" in error.message
                seen["refused"] += 1
                continue
        assert compared(alone) == compared(with_it), config.read_text()
        seen["read"] += 1
    print(f"other configurations without OpenSSH: {dict(seen)}, none of them otherwise than ssh -G tells it")
    assert seen["refused"] > COUNT / 2


ASK = """
from fleet.machines.access import SshAccess, SshAddress
from fleet.machines.ssh.configuration.openssh import read_settings
found = read_settings(SshAddress("n-1"), SshAccess())
print(found.host, found.user, found.port, found.alive_seconds, found.identities[0], found.known_hosts[0], found.command)
"""


def test_user_files_are_read_as_ssh_reads_them(tmp_path: Path) -> None:
    """With a home of the password file that is this test's: relative names, `~`, and the system's file."""
    if os.getuid() != 0:
        assert not os.environ.get("CI"), "needs root"
        pytest.skip("needs root, for a password file of its own")
    home = tmp_path / "home"
    (home / ".ssh/conf.d").mkdir(mode=0o700, parents=True)
    (home / ".ssh/config").write_text("Include conf.d/*\nHost *\n  ServerAliveInterval 30\n")
    (home / ".ssh/conf.d/prod").write_text(
        "Host n-1\n  HostName 10.0.7.1\n  User core\n  Port 2222\n  IdentityFile ~/key\n"
    )
    (tmp_path / "passwd").write_text(f"root:x:0:0::{home}:/bin/sh\n")
    (tmp_path / "system").write_text("Host *\n  ProxyCommand nc %h %p\n  User other\n")
    script = (
        f"mount --bind {tmp_path}/passwd /etc/passwd && mount --bind {tmp_path}/system /etc/ssh/ssh_config && "
        'exec "$0" -c "$1"'
    )
    argv = ["unshare", "--mount", "sh", "-c", script, sys.executable, ASK]
    environment = {**os.environ, "HOME": str(home)}
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=60, check=False)
    wanted = f"10.0.7.1 core 2222 30 {home}/key {home}/.ssh/known_hosts nc 10.0.7.1 2222\n"
    assert (done.stdout, done.returncode) == (wanted, 0), done.stderr


def compared(settings: SshSettings) -> dict[str, object]:
    """Without the algorithms, of which this ssh has others."""
    reported = structs.asdict(settings)
    return {
        key: value
        for key, value in reported.items()
        if not key.endswith("algorithms") and key not in ("ciphers", "macs")
    }
