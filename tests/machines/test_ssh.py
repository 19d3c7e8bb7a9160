"""Commands over ssh, against a real sshd."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import socket as sockets
import socketserver
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path

import pytest
from msgspec.structs import replace
from paramiko import SSHException

from fleet.core.records.errors import AuthenticationError, UnreachableError
from fleet.machines.access import SshAccess, SshAddress
from fleet.machines.errors import MachineError
from fleet.machines.families.shared import shell
from fleet.machines.host import LostError, read
from fleet.machines.ssh.configuration.openssh import read_settings
from fleet.machines.ssh.host import Limit, Ssh, line
from fleet.machines.ssh.host_keys import KnownHostKeys, UnknownKeyError, judge, parse
from fleet.machines.ssh.line import dial
from fleet.machines.ssh.login import log_in
from tests.installed import installed
from tests.machines.sshd import Sshd, sshd


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    with sshd(tmp_path) as found:
        yield found


def on(host: Ssh, scenario: Callable[[Ssh], Awaitable[None]]) -> None:
    async def run() -> None:
        try:
            await scenario(host)
        finally:
            await host.close()

    asyncio.run(run())


def test_exit_code_and_both_outputs_are_returned(server: Sshd) -> None:
    async def scenario(host: Ssh) -> None:
        ran = await host.run(("sh", "-c", "echo out; echo err >&2; exit 7"))
        assert (ran.code, ran.stdout, ran.stderr) == (7, "out\n", "err\n")
        ran = await host.run(("printf", "%s", "$(id); 'a' b"))
        assert ran.stdout == "$(id); 'a' b"

    on(server.host(), scenario)


def test_large_outputs_on_both_streams_do_not_block(server: Sshd) -> None:
    async def scenario(host: Ssh) -> None:
        ran = await host.run(("sh", "-c", "seq 1 300000; seq 1 300000 >&2"))
        assert ran.stdout.endswith("300000\n")
        assert ran.stderr.endswith("300000\n")
        assert len(ran.stdout) == len(ran.stderr) == 1_988_895

    on(server.host(), scenario)


def test_files_are_read_and_missing_files_are_none(server: Sshd, tmp_path: Path) -> None:
    (tmp_path / "a b").write_text("text\n")

    async def scenario(host: Ssh) -> None:
        assert await read(host, str(tmp_path / "a b")) == "text\n"
        assert await read(host, str(tmp_path / "none")) is None

    on(server.host(), scenario)


def test_unknown_host_is_refused_and_not_added(server: Sshd) -> None:
    server.known_hosts.write_text("")

    async def scenario(host: Ssh) -> None:
        with pytest.raises(AuthenticationError, match="not in known_hosts") as refused:
            await host.run(("true",))
        assert "compare the fingerprint" in refused.value.hint
        assert "ssh-keyscan" not in refused.value.hint

    on(server.host(), scenario)
    assert server.known_hosts.read_text() == ""


def test_host_with_another_key_than_the_known_one_is_refused(server: Sshd) -> None:
    server.know(server.user_key)

    async def scenario(host: Ssh) -> None:
        with pytest.raises(AuthenticationError, match="not the known one"):
            await host.run(("true",))

    on(server.host(), scenario)


def test_hashed_known_hosts_are_matched(server: Sshd) -> None:
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(server.known_hosts)], check=True, capture_output=True)
    assert "127.0.0.1" not in server.known_hosts.read_text()

    async def scenario(host: Ssh) -> None:
        assert (await host.run(("true",))).succeeded

    on(server.host(), scenario)


def certified(folder: Path, principals: str) -> Sshd:
    """Its host key is signed by an authority; known_hosts knows that alone."""
    server = Sshd(folder, f"HostCertificate {folder}/host-cert.pub\n")
    authority = folder / "authority"
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ca", "-f", str(authority)]
    subprocess.run(keygen, check=True)
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-h", "-I", "host", "-n", principals, "-V", "+1h"]
    subprocess.run([*sign, str(server.host_key.with_suffix(".pub"))], check=True, capture_output=True)
    public = authority.with_suffix(".pub").read_text()
    server.known_hosts.write_text(f"@cert-authority [127.0.0.*]:* {public}")
    return server


@pytest.mark.parametrize(("principals", "good"), [("127.0.0.1,n-1", True), ("n-2", False)])
def test_host_certificate_of_a_known_authority_is_trusted(
    tmp_path: Path, principals: str, good: bool
) -> None:
    with sshd(tmp_path):
        pass
    server = certified(tmp_path, principals)
    server.start()

    async def scenario(host: Ssh) -> None:
        if good:
            assert (await host.run(("true",))).succeeded
        else:
            with pytest.raises(AuthenticationError, match="is for n-2, not"):
                await host.run(("true",))

    try:
        on(server.host(), scenario)
    finally:
        server.stop()


def test_rejected_key_is_reported(server: Sshd, tmp_path: Path) -> None:
    (tmp_path / "authorized").write_text("")

    async def scenario(host: Ssh) -> None:
        with pytest.raises(AuthenticationError, match="no key is accepted"):
            await host.run(("true",))

    on(server.host(), scenario)


def test_refused_connection_is_reported(server: Sshd) -> None:
    server.stop()

    async def scenario(host: Ssh) -> None:
        with pytest.raises(UnreachableError, match=r"127\.0\.0\.1"):
            await host.run(("true",))

    on(server.host(), scenario)


def test_connection_lost_during_a_command_is_reported_and_opened_again(server: Sshd) -> None:
    async def scenario(host: Ssh) -> None:
        with pytest.raises(LostError):
            await host.run(("sh", "-c", "kill -9 $PPID; sleep 1"))
        assert (await host.run(("true",))).succeeded

    on(server.host(), scenario)


def test_reboot_that_drops_the_connection_succeeds(server: Sshd) -> None:
    async def scenario(host: Ssh) -> None:
        await shell.go_down(host, ("sh", "-c", "kill -9 $PPID; sleep 1"))
        with pytest.raises(MachineError, match="exit 1: no right"):
            await shell.go_down(host, ("sh", "-c", "echo no right >&2; exit 1"))

    on(server.host(), scenario)


def test_command_that_does_not_end_times_out(server: Sshd) -> None:
    async def scenario(host: Ssh) -> None:
        with pytest.raises(MachineError, match="has not ended after 0 s"):
            await host.run(("sleep", "60"), seconds=0.4)
        assert (await host.run(("true",))).succeeded

    on(server.host(), scenario)


def test_host_that_falls_silent_during_a_command_is_lost(server: Sshd, tmp_path: Path) -> None:
    """A cut network reports nothing: whether the command was carried out is unknown."""

    async def scenario(host: Ssh) -> None:
        work = asyncio.create_task(host.run(("sh", "-c", f"touch {tmp_path}/begun; sleep 1"), seconds=2))
        async with asyncio.timeout(30):
            while not (tmp_path / "begun").exists():  # noqa: ASYNC110 - a file of the command
                await asyncio.sleep(0.01)
        server.fall_silent()
        try:
            with pytest.raises(LostError, match="does not answer"):
                await work
        finally:
            server.wake()
        assert (await host.run(("true",))).succeeded

    on(server.host(), scenario)


def test_name_port_user_and_key_come_from_the_configuration(server: Sshd, tmp_path: Path) -> None:
    server.configure(
        f"Host n-1\n  HostName 127.0.0.1\n  Port {server.port}\n  User {getuser()}\n"
        f"  IdentityFile {server.user_key}\n"
    )

    async def scenario(host: Ssh) -> None:
        assert (await host.run(("true",))).succeeded

    on(Ssh(SshAddress("n-1"), server.access(identity=""), Limit()), scenario)


def test_jump_hosts_are_chained(server: Sshd, tmp_path: Path) -> None:
    machine = f"  HostName 127.0.0.1\n  Port {server.port}\n  User {getuser()}\n"
    server.configure(
        f"Host j-1 j-2\n{machine}Host n-1\n{machine}  ProxyJump j-1,j-2\nHost n-2\n{machine}  ProxyJump j-3\n"
    )

    async def scenario(host: Ssh) -> None:
        ran = await host.run(("sh", "-c", "echo $SSH_CONNECTION"))
        assert ran.succeeded

    on(Ssh(SshAddress("n-1"), server.access(), Limit()), scenario)
    accepted = (tmp_path / "log").read_text().count("Accepted publickey")
    assert accepted == 3


@contextmanager
def ssh_agent(folder: Path, *keys: Path) -> Iterator[Path]:
    socket = folder / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        # The path is there before anybody listens.
        while not _answers(socket):
            assert agent.poll() is None
        for key in keys:
            environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
            subprocess.run(["ssh-add", "-q", str(key)], env=environment, check=True)
        yield socket
    finally:
        agent.terminate()
        agent.wait(10)


def _answers(path: Path) -> bool:
    with sockets.socket(sockets.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def new_key(path: Path, *arguments: str) -> Path:
    program = installed("ssh-keygen", "openssh-client")
    argv = [program, "-q", "-t", "ed25519", "-C", path.name, "-f", str(path), *(arguments or ("-N", ""))]
    subprocess.run(argv, check=True)
    return path


def test_key_of_an_ssh_agent_is_used(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ssh_agent(tmp_path, server.user_key) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        server.configure(agent="SSH_AUTH_SOCK")
        on(server.host(server.access(identity="")), works)


def test_only_the_named_key_of_an_ssh_agent_is_offered(server: Sshd, tmp_path: Path) -> None:
    others = [new_key(tmp_path / f"other-{number}") for number in range(7)]
    with ssh_agent(tmp_path, *others, server.user_key) as socket:
        server.configure(agent=str(socket))
        on(
            server.host(server.access(identity="")),
            refuses("ended the connection after 6 keys", "IdentitiesOnly"),
        )
        public = server.user_key.with_suffix(".pub")
        server.configure(f"IdentityFile {public}\nIdentitiesOnly yes\n", agent=str(socket))
        on(server.host(server.access(identity="")), works)


@pytest.mark.parametrize("by_agent", [False, True])
def test_user_certificate_is_offered(tmp_path: Path, by_agent: bool) -> None:
    authority, key = new_key(tmp_path / "authority"), new_key(tmp_path / "key")
    sign = [
        "ssh-keygen",
        "-q",
        "-s",
        str(authority),
        "-I",
        "jo",
        "-n",
        getuser(),
        str(key.with_suffix(".pub")),
    ]
    subprocess.run(sign, check=True)
    certificate = (tmp_path / "key-cert.pub").rename(tmp_path / "apart.pub")
    with sshd(tmp_path, f"TrustedUserCAKeys {authority}.pub\n") as server, ssh_agent(tmp_path, key) as socket:
        (tmp_path / "authorized").write_text("")
        private = "" if by_agent else f"IdentityFile {key}\n"
        server.configure(
            f"CertificateFile {certificate}\n{private}", agent=str(socket) if by_agent else "none"
        )
        on(server.host(server.access(identity="")), works)
        server.configure(private, agent=str(socket) if by_agent else "none")
        on(server.host(server.access(identity="")), refuses("no key is accepted"))


@pytest.mark.parametrize(
    "arguments", [("-t", "rsa"), ("-t", "ecdsa"), ("-t", "rsa", "-m", "PEM"), ("-t", "ecdsa", "-m", "PKCS8")]
)
def test_keys_of_every_type_log_in(server: Sshd, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    key = new_key(tmp_path / "key", *arguments, "-N", "")
    (tmp_path / "authorized").write_text(key.with_suffix(".pub").read_text())
    server.configure(f"IdentityFile {key}\n")
    on(server.host(server.access(identity="")), works)
    key.with_suffix(".pub").unlink()
    on(server.host(server.access(identity="")), works)


def test_keys_that_cannot_be_offered_are_reported(server: Sshd, tmp_path: Path) -> None:
    locked = new_key(tmp_path / "locked", "-N", "a passphrase")
    opened = new_key(tmp_path / "open")
    opened.chmod(0o644)
    server.configure(f"IdentityFile {locked}\nIdentityFile {opened}\n")
    access = server.access(identity="")
    on(server.host(access), refuses(r"locked \(it has a passphrase.*open \(others can read it"))


def test_server_that_requires_more_than_a_key_is_reported(tmp_path: Path) -> None:
    with sshd(tmp_path, "AuthenticationMethods publickey,keyboard-interactive\n") as server:
        on(server.host(), refuses("besides a key it requires keyboard-interactive"))


def test_server_that_requires_two_keys_gets_both(tmp_path: Path) -> None:
    second = new_key(tmp_path / "second")
    with sshd(tmp_path, "AuthenticationMethods publickey,publickey\n") as server:
        on(server.host(), refuses("no key is accepted"))
        with (tmp_path / "authorized").open("a") as authorized:
            authorized.write(second.with_suffix(".pub").read_text())
        server.configure(f"IdentityFile {second}\n")
        on(server.host(), works)


def test_server_that_accepts_no_keys_is_reported(tmp_path: Path) -> None:
    with sshd(tmp_path, "PubkeyAuthentication no\nKbdInteractiveAuthentication yes\n") as server:
        on(server.host(), refuses("it takes no keys"))


def babble(seed: int) -> bytes:
    """What no ssh server sends: other protocols, packets of random bytes, key exchanges that end in the middle."""
    chance = random.Random(seed)
    if seed == 0:
        return b"HTTP/1.0 400 no\r\n\r\n" * 200
    message = b"SSH-2.0-OpenSSH_9.9\r\n"
    for kind in chance.choices((20, 31, 21, 1, 0, 255), k=3):
        body = (
            bytes((kind,))
            + chance.randbytes(16)
            + chance.choice((b"", b"\0\0\0\5a,b,c", b"\xff" * 8, chance.randbytes(40)))
        )
        padding = 8 - (len(body) + 5) % 8 + 8
        message += (len(body) + padding + 1).to_bytes(4) + bytes((padding,)) + body + bytes(padding)
    return message


def test_server_that_does_not_speak_ssh_is_reported(tmp_path: Path) -> None:
    message = b""

    class Babbler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(message)

    async def scenario(host: Ssh) -> None:
        with pytest.raises(UnreachableError, match=r"jo@127\.0\.0\.1"):
            await host.run(("true",))

    (tmp_path / "config").write_text("ConnectTimeout 5\n")
    with socketserver.TCPServer(("127.0.0.1", 0), Babbler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = SshAddress("127.0.0.1", "jo", int(server.server_address[1]))
        for seed in range(12):
            message = babble(seed)
            on(Ssh(address, SshAccess(config=str(tmp_path / "config")), Limit()), scenario)
        server.shutdown()


def test_proxy_command_that_fails_is_reported_with_its_output(server: Sshd) -> None:
    server.configure("ProxyCommand echo no way there >&2; exit 1\n")

    async def scenario(host: Ssh) -> None:
        with pytest.raises(UnreachableError, match="no way there"):
            await host.run(("true",))

    on(server.host(), scenario)


def test_rekeying_keeps_the_host_key(server: Sshd) -> None:
    server.configure("Host *\n")
    line = dial(read_settings(SshAddress("127.0.0.1", getuser(), server.port), server.access()))
    transport = log_in(line, read_settings(SshAddress("127.0.0.1", getuser(), server.port), server.access()))
    try:
        transport.renegotiate_keys()
        assert transport.is_active()
        transport.shown = b"another"
        with pytest.raises(SSHException, match="host key differs"):
            transport.renegotiate_keys()
    finally:
        transport.close()
        line.close()


def test_host_key_updates_are_refused_whatever_the_configuration(server: Sshd) -> None:
    server.known_hosts.write_text("")
    server.configure("StrictHostKeyChecking accept-new\n")
    on(server.host(), refuses("StrictHostKeyChecking accept-new is not supported", "compare the fingerprint"))
    assert server.known_hosts.read_text() == ""
    server.know(server.user_key)
    server.configure("StrictHostKeyChecking no\n")
    on(server.host(), refuses("is not the known one", "compare the fingerprint"))


def test_revoked_host_key_is_refused(server: Sshd, tmp_path: Path) -> None:
    revoked = tmp_path / "revoked"
    server.configure(f"RevokedHostKeys {revoked}\n")
    on(server.host(), refuses("RevokedHostKeys"))
    revoked.write_text(f"# stolen\n{server.user_key.with_suffix('.pub').read_text()}")
    on(server.host(), works)
    revoked.write_text(server.host_key.with_suffix(".pub").read_text())
    on(server.host(), refuses("among the RevokedHostKeys"))
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", str(revoked), f"{server.user_key}.pub"], check=True)
    on(server.host(), refuses("KRL"))


def test_address_known_with_another_key_is_refused(server: Sshd) -> None:
    """CheckHostIP looks at no loopback address: that is asked of the judge alone."""
    known = KnownHostKeys((*parse(server.known_hosts.read_text()),), "127.0.0.1", server.port, "10.0.0.9")
    shown = base64.b64decode(server.host_key.with_suffix(".pub").read_text().split()[1])
    judge(known, shown, datetime(2026, 1, 1, tzinfo=UTC))
    other = server.user_key.with_suffix(".pub").read_text()
    lines = f"{server.known_hosts.read_text()}[10.0.0.9]:{server.port} {other}"
    with pytest.raises(UnknownKeyError, match="CheckHostIP"):
        judge(replace(known, entries=parse(lines)), shown, datetime(2026, 1, 1, tzinfo=UTC))


def test_algorithms_of_the_configuration_are_used(server: Sshd) -> None:
    server.configure(
        "KexAlgorithms diffie-hellman-group16-sha512\nCiphers aes256-ctr\nMACs hmac-sha2-512-etm@openssh.com\n"
    )
    on(server.host(), works)
    server.configure("Ciphers chacha20-poly1305@openssh.com\n")
    on(server.host(), refuses("Ciphers: none of chacha20"))
    server.configure("PubkeyAcceptedAlgorithms rsa-sha2-512\n")
    on(server.host(), refuses("PubkeyAcceptedAlgorithms"))


def test_jump_host_given_as_a_uri_is_used(server: Sshd, tmp_path: Path) -> None:
    there = f"HostName 127.0.0.1\nUser {getuser()}\n"
    jump = f"ssh://{getuser()}@jump.example:{server.port}"
    server.configure(f"Host n-1\nProxyJump {jump}\nPort {server.port}\n{there}Host jump.example\n{there}")
    on(server.host(name="n-1"), works)
    assert (tmp_path / "log").read_text().count("Accepted publickey") == 2


def test_circular_jump_hosts_are_reported(server: Sshd) -> None:
    server.configure("Host n-1\nProxyJump j-1\nHost j-1\nProxyJump j-2\nHost j-2\nProxyJump j-1\n")

    async def scenario(host: Ssh) -> None:
        with pytest.raises(UnreachableError, match="one behind the other"):
            await host.run(("true",))

    on(server.host(name="n-1"), scenario)


async def works(host: Ssh) -> None:
    assert (await host.run(("true",))).succeeded


def refuses(arguments: str, hint: str = "") -> Callable[[Ssh], Awaitable[None]]:
    async def scenario(host: Ssh) -> None:
        with pytest.raises(AuthenticationError, match=arguments) as refused:
            await host.run(("true",))
        assert hint in refused.value.hint
        assert "keyscan" not in refused.value.hint

    return scenario


def test_concurrency_limit_is_kept(server: Sshd, tmp_path: Path) -> None:
    async def run() -> None:
        limit = Limit(3)
        access: SshAccess = server.access()
        address = SshAddress("127.0.0.1", getuser(), server.port)
        hosts = [Ssh(address, access, limit) for _ in range(9)]
        script = f"touch {tmp_path}/at-$$; ls {tmp_path}/at-* | wc -l; sleep 0.2; rm {tmp_path}/at-$$"
        try:
            counts = await asyncio.gather(*(host.run(("sh", "-c", script)) for host in hosts))
        finally:
            await asyncio.gather(*(host.close() for host in hosts))
        assert max(int(ran.stdout) for ran in counts) in (2, 3)

    asyncio.run(run())


def test_users_other_than_root_use_sudo() -> None:
    assert line(("echo", "a b"), as_root=True) == "sudo -n -- echo 'a b'"
    assert line(("echo", "a b"), as_root=False) == "echo 'a b'"
