"""`reach: playbook` connects to a machine as `reach: ssh` does: ssh, run by ansible, reads the same configuration."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
from pathlib import Path

import pytest
from msgspec import structs

from fleet.core.records.errors import UsageError
from fleet.machines.access import SshAccess, SshAddress
from fleet.machines.ansible.connection import Login, OpenSshConfig
from fleet.machines.ssh.configuration import plain_config
from fleet.machines.ssh.configuration.openssh import read_settings
from fleet.machines.ssh.configuration.settings import SshSettings
from fleet.machines.ssh.host import Limit

pytestmark = pytest.mark.skipif(
    shutil.which("ssh") is None and not os.environ.get("CI"), reason="openssh-client is not installed"
)
CONFIG = """\
Include {folder}/more
Host n-1
  HostName 10.0.0.8
  Port 2222
  ProxyJump ssh://jo@jump:2200
  HostKeyAlias rack
  CertificateFile {folder}/key-cert.pub
  StrictHostKeyChecking {strict}
Host *
  IdentityFile {folder}/key
"""


def variables(access: SshAccess, folder: Path) -> dict[str, object]:
    """Of the inventory."""
    return asyncio.run(
        OpenSshConfig(Login(SshAddress("n-1"), access, Limit()), folder / "played", folder).host()
    )


def by_ansible(found: dict[str, object]) -> SshSettings:
    """What ssh makes of the configuration that ansible gives it."""
    message = shlex.split(str(found["ansible_ssh_common_args"]))
    assert message[0] == "-F"
    return read_settings(SshAddress(str(found["ansible_host"])), SshAccess(config=message[1]))


def compared(settings: SshSettings) -> dict[str, object]:
    """ssh is strict, sends keepalives more often, and logs in by keys alone."""
    reported = structs.asdict(settings)
    return {
        key: value
        for key, value in reported.items()
        if key not in ("host_notes", "login_notes", "alive_seconds")
    }


@pytest.mark.parametrize("where", ["named", "home"])
def test_both_connections_use_the_same_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / "more").write_text("Host n-1\n  User core\n")
    config = tmp_path / ".ssh/config"
    config.write_text(CONFIG.format(folder=tmp_path, strict="no"))
    if where == "home":
        monkeypatch.setenv("HOME", str(tmp_path))
    access = SshAccess(config="" if where == "home" else str(config))
    directly = read_settings(SshAddress("n-1"), access)
    found = variables(access, tmp_path)
    assert compared(by_ansible(found)) == compared(directly)
    assert by_ansible(found).login_notes == ()
    assert (directly.user, directly.host, directly.jumps) == ("core", "10.0.0.8", ("jo@jump:2200",))
    assert (found["ansible_become"], found["ansible_become_method"]) == (True, "sudo")


def test_host_key_updates_are_refused_on_the_whole_path(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(CONFIG.format(folder=tmp_path, strict="accept-new") + "  StrictHostKeyChecking no\n")
    access = SshAccess(config=str(config))
    assert read_settings(SshAddress("n-1"), access).host_notes == ("StrictHostKeyChecking accept-new",)
    file = shlex.split(str(variables(access, tmp_path)["ansible_ssh_common_args"]))[1]
    for host in ("n-1", "jump"):
        assert read_settings(SshAddress(host), SshAccess(config=file)).host_notes == ()


@pytest.mark.parametrize("who", ["n-1", "jump"])
def test_settings_that_fleets_connection_lacks_are_refused_here_too(tmp_path: Path, who: str) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"Host {who}\n  PKCS11Provider /lib/token.so\n{CONFIG.format(folder=tmp_path, strict='yes')}"
    )
    with pytest.raises(UsageError, match=rf"configuration of {who} .*pkcs11provider"):
        variables(SshAccess(config=str(config)), tmp_path)


def test_relative_include_of_the_system_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "ssh_config"
    system.write_text("Host *\n  Include more/*\n")
    monkeypatch.setattr(plain_config, "SYSTEM", system)
    with pytest.raises(UsageError, match=rf"{system}:2: Include more"):
        variables(SshAccess(), tmp_path)
