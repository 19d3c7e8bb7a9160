"""What of an ssh configuration is followed, and what is refused by name; without OpenSSH, by line."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from pathlib import Path

import pytest

from fleet.core.records.errors import ConfigError, UsageError
from fleet.machines.access import SshAccess, SshAddress, address_of
from fleet.machines.ssh.configuration import openssh, plain_config
from fleet.machines.ssh.configuration.openssh import read_settings
from fleet.machines.ssh.configuration.settings import (
    CONNECT_SECONDS,
    Here,
    Printed,
    SshSettings,
    printed,
    settings,
    unknown,
)

HERE = Here("/home/jo", "jo", 1000, "desk.example", {"RACK": "r2"})
BASE = "host n-1\nhostname n-1.example\nuser core\nport 22\n"


NEEDS_SSH = pytest.mark.skipif(
    shutil.which("ssh") is None and not os.environ.get("CI"), reason="openssh-client is not installed"
)


def settings_with(more: str, here: Here = HERE) -> SshSettings:
    return settings(printed(BASE + more), here)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("knownhostscommand /bin/keys %H", "knownhostscommand"),
        ("pkcs11provider /lib/token.so", "pkcs11provider"),
        ("bindinterface eth1", "bindinterface"),
        ("refuseconnection not from here", "refuseconnection"),
        ("pubkeyauthentication false", "pubkeyauthentication"),
        ("preferredauthentications password,gssapi-with-mic", "publickey"),
        ("proxycommand nc %h %p\nproxyusefdpass yes", "proxyusefdpass"),
        ("proxycommand -", "proxycommand"),
        ("identityfile /keys/%Z", "%Z"),
        ("identityfile ${NOWHERE}/key", "NOWHERE"),
        ("userknownhostsfile /a b/known", "userknownhostsfile"),
        ("userknownhostsfile known", "userknownhostsfile"),
    ],
)
def test_unsupported_setting_is_refused_by_name(line: str, word: str) -> None:
    with pytest.raises(UsageError) as refused:
        settings_with(line)
    assert word in refused.value.message
    assert "n-1" in refused.value.message
    assert refused.value.hint


def test_all_refused_settings_are_named_at_once() -> None:
    with pytest.raises(UsageError, match=r"bindinterface.*knownhostscommand.*pubkeyauthentication"):
        settings_with("pubkeyauthentication no\nknownhostscommand /bin/keys\nbindinterface eth1\n")


@pytest.mark.parametrize(
    "line",
    ["pkcs11provider none", "knownhostscommand none", "preferredauthentications gssapi,publickey", "tag x"],
)
def test_disabled_and_harmless_settings_are_accepted(line: str) -> None:
    assert settings_with(line).user == "core"


def test_keyword_of_a_newer_ssh_is_refused_only_where_it_is_set() -> None:
    defaults = printed("newthing no\nport 22\n")
    assert unknown(printed("newthing no\nport 2222\n"), defaults) == ()
    set_by_user = unknown(printed("newthing yes\nport 22\n"), defaults)
    assert set_by_user == ("newthing",)
    with pytest.raises(UsageError, match="newthing"):
        settings(printed(BASE), HERE, set_by_user)


def test_tokens_mean_what_they_mean_to_ssh() -> None:
    digest = "0123456789abcdef0123456789abcdef01234567"
    found = settings_with(
        f"hostkeyalias rack\nproxyjump a,jo@b:23\ncontrolpath /{digest}\n"
        "identityfile ~/%h-%n-%p-%r-%u-%i-%k-%l-%L-%j-%C-%%\n"
        "certificatefile /c/${RACK}-%d\n"
    )
    assert found.identities == (
        f"/home/jo/n-1.example-n-1-22-core-jo-1000-rack-desk.example-desk-b-{digest}-%",
    )
    assert found.certificates == ("/c/r2-/home/jo",)
    assert found.jumps == ("a", "jo@b:23")


def test_command_has_its_own_tokens_only() -> None:
    assert settings_with("proxycommand nc -u '%r' %n %h %p %%").command == "nc -u 'core' n-1 n-1.example 22 %"
    with pytest.raises(UsageError, match="%u"):
        settings_with("proxycommand nc %u")


@pytest.mark.parametrize(
    ("line", "socket"),
    [
        ("", "/run/agent"),
        ("identityagent none", ""),
        ("identityagent SSH_AUTH_SOCK", "/run/agent"),
        ("identityagent $OTHER", "/run/other"),
        ("identityagent /run/third", "/run/third"),
    ],
)
def test_named_ssh_agent_is_used(line: str, socket: str) -> None:
    here = Here("/home/jo", "jo", 1, "desk", {"SSH_AUTH_SOCK": "/run/agent", "OTHER": "/run/other"})
    assert settings_with(line, here).agent == socket


def test_settings_that_weaken_host_key_checks_are_reported_and_ignored() -> None:
    found = settings_with(
        "stricthostkeychecking accept-new\nverifyhostkeydns true\nnohostauthenticationforlocalhost yes\n"
    )
    assert found.host_notes == (
        "StrictHostKeyChecking accept-new",
        "VerifyHostKeyDNS true",
        "NoHostAuthenticationForLocalhost yes",
    )
    assert settings_with("stricthostkeychecking ask\nverifyhostkeydns false\n").host_notes == ()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("core@n-1.example:2222", SshAddress("n-1.example", "core", 2222)),
        ("[2001:db8::1]:2222", SshAddress("2001:db8::1", "", 2222)),
        ("core@[2001:db8::1]", SshAddress("2001:db8::1", "core")),
        ("2001:db8::1", SshAddress("2001:db8::1")),
        ("n-1", SshAddress("n-1")),
    ],
)
def test_addresses(text: str, address: SshAddress) -> None:
    assert address_of(text) == address
    assert address_of(str(address)) == address


@pytest.mark.parametrize(
    "text", ["", "core@", "n-1:", "n-1:x", "n-1:70000", "[::1", "[::1]2", "@n-1", "-oProxyCommand=x"]
)
def test_invalid_addresses(text: str) -> None:
    with pytest.raises(UsageError):
        address_of(text)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration on a machine without OpenSSH."""
    monkeypatch.setattr(openssh, "PROGRAM", "no-such-ssh")
    return tmp_path / "config"


@pytest.mark.parametrize(
    "line",
    [
        "Include {beside}",
        "Include {beside}**",
        "Include /",
        "Match all",
        "CanonicalizeHostname yes",
        "KexAlgorithms +diffie-hellman-group1-sha1",
        "KnownHostsCommand /bin/keys",
        "PKCS11Provider /lib/token.so",
        "IdentityFile /keys/%C",
        "IdentityFile ${{HOME}}/key",
        "ProxyJump ssh://bastion:22",
        "ProxyJump %h-bastion",
        "Prot 22",
        "Port ssh",
        "ConnectTimeout soon",
        "CheckHostIP perhaps",
        "User a b",
        "User",
        '"User"=core',
        "HostName n-1 ' rack",
        "HostName fe80::1%eth0",
        "HostName n-1%",
        "UserKnownHostsFile ~/known/%i",
    ],
)
def test_without_openssh_other_settings_are_refused_by_their_line(alone: Path, line: str) -> None:
    beside = alone.with_name("beside")
    beside.write_text("User other\n")
    alone.write_text(f"# Bob's\nHost *\n  Port 22\n  {line.format(beside=beside)}\n")
    with pytest.raises(ConfigError) as refused:
        read_settings(SshAddress("n-1"), SshAccess(config=str(alone)))
    assert [problem.startswith(f"{alone}:4: ") for problem in refused.value.problems] == [True]
    assert "OpenSSH" in refused.value.hint


def test_without_openssh_all_lines_are_named_at_once(alone: Path) -> None:
    alone.write_text("Match all\nHost *\nCanonicalizeHostname yes\nUser core\n")
    with pytest.raises(ConfigError) as refused:
        read_settings(SshAddress("n-1"), SshAccess(config=str(alone)))
    assert [problem.split(": ")[0] for problem in refused.value.problems] == [f"{alone}:1", f"{alone}:3"]


@NEEDS_SSH
@pytest.mark.parametrize("with_openssh", [True, False])
def test_comments_and_quotes_are_read_as_by_openssh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_openssh: bool
) -> None:
    if not with_openssh:
        monkeypatch.setattr(openssh, "PROGRAM", "no-such-ssh")
    config = tmp_path / "config"
    config.write_text(
        "Host n-8\n  HostName 10.0.0.8 # rack 2\n  User core # admin\nHost n-1 # Bob's till\n  HostName 10.0.0.9\n"
    )
    found = read_settings(SshAddress("n-8"), SshAccess(config=str(config)))
    assert (found.host, found.user) == ("10.0.0.8", "core")
    assert read_settings(SshAddress("n-1"), SshAccess(config=str(config))).host == "10.0.0.9"


@NEEDS_SSH
def test_sample_of_the_docs_uses_its_jump_host(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs/controller.md").read_text()
    sample = text.partition("## The ssh configuration")[2].partition("```\n")[2].partition("```")[0]
    file = tmp_path / "config"
    file.write_text(sample)
    found = read_settings(SshAddress("n-1"), SshAccess(config=str(file)))
    jump = read_settings(address_of(found.jumps[-1]), SshAccess(config=str(file)), found.jumps[:-1])
    assert (found.user, found.jumps) == ("core", ("bastion.example",))
    assert found.identities == ("/home/fleet/.ssh/id_ed25519",)
    assert found.known_hosts[0] == "/home/fleet/.ssh/known_hosts"
    assert jump.jumps == ()


@NEEDS_SSH
def test_includes_are_followed_also_of_the_system_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, system = tmp_path / "home", tmp_path / "ssh_config"
    (home / ".ssh/conf.d").mkdir(parents=True)
    (home / ".ssh/conf.d/prod").write_text("Host n-1\n  HostName 10.0.7.1\n  User core\n  Port 2222\n")
    (home / ".ssh/config").write_text(f"Include {home}/.ssh/conf.d/*\nHost *\n  ServerAliveInterval 30\n")
    system.write_text("Host *\n  HostKeyAlias rack\n  User other\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(plain_config, "SYSTEM", system)
    found = read_settings(SshAddress("n-1"), SshAccess())
    assert (found.host, found.user, found.port, found.alias) == ("10.0.7.1", "core", 2222, "rack")
    assert found.alive_seconds == 30
    assert found.known_hosts[:1] == (f"{home}/.ssh/known_hosts",)


@NEEDS_SSH
def test_include_that_ssh_would_look_for_in_another_home_is_refused_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text("Host *\nInclude conf.d/*\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UsageError, match=rf"{tmp_path}/.ssh/config:2: Include conf\.d"):
        read_settings(SshAddress("n-1"), SshAccess())


@NEEDS_SSH
def test_error_of_ssh_is_reported_verbatim(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host *\n  HostNam n-1\n")
    with pytest.raises(UsageError, match=r"line 2: Bad configuration option: hostnam"):
        read_settings(SshAddress("n-1"), SshAccess(config=str(config)))
    with pytest.raises(UsageError, match="this ssh configuration does not exist"):
        read_settings(SshAddress("n-1"), SshAccess(config=str(tmp_path / "none")))
    config.write_text("")
    with pytest.raises(UsageError, match="this key does not exist"):
        read_settings(SshAddress("n-1"), SshAccess(config=str(config), identity=str(tmp_path / "none")))


@NEEDS_SSH
def test_configuration_that_hangs_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text('Match exec "sleep 600"\n  User core\n')
    monkeypatch.setattr(openssh, "SECONDS", 0.3)
    with pytest.raises(UsageError, match="has not ended"):
        read_settings(SshAddress("n-1"), SshAccess(config=str(config)))


@NEEDS_SSH
def test_background_process_of_a_configuration_delays_nothing(tmp_path: Path) -> None:
    """In a session of its own, with the error output of ssh open."""
    pid, config = tmp_path / "pid", tmp_path / "config"
    start = f"setsid sh -c 'echo $$ >{pid}; exec sleep 600' & until test -s {pid}; do sleep 0.01; done"
    config.write_text(f'Match exec "{start}"\n  User core\n')
    try:
        assert read_settings(SshAddress("n-1"), SshAccess(config=str(config))).user == "core"
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)


def test_endless_output_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flood = tmp_path / "ssh"
    flood.write_text("#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' 'x'\n")
    flood.chmod(0o755)
    monkeypatch.setattr(openssh, "PROGRAM", str(flood))
    with pytest.raises(UsageError, match="ssh -G n-1"):
        read_settings(SshAddress("n-1"), SshAccess())


@NEEDS_SSH
def test_given_user_port_and_jump_hosts_override_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("User core\nPort 2222\nProxyJump far\n")
    found = read_settings(
        SshAddress("n-1", "jo", 22), SshAccess(config=str(config)), ("a", "jo@[2001:db8::1]:23")
    )
    assert (found.user, found.port, found.jumps) == ("jo", 22, ("a", "jo@[2001:db8::1]:23"))


@pytest.mark.parametrize("seconds", ["0", "none"])
def test_missing_timeout_means_fleets_own(seconds: str) -> None:
    assert settings_with(f"connecttimeout {seconds}").connect_seconds == CONNECT_SECONDS


def test_folder_in_place_of_a_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ssh/config").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UsageError, match="config cannot be read"):
        read_settings(SshAddress("n-1"), SshAccess())


def test_home_folder_is_that_of_the_password_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/elsewhere")
    assert openssh.here().home == pwd.getpwuid(os.getuid()).pw_dir


def test_printed_values_with_spaces_stay_whole() -> None:
    assert printed("identityfile a\nidentityfile b c\n") == Printed({"identityfile": ("a", "b c")})
