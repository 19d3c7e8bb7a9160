"""Commands over ssh, against a real sshd."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from getpass import getuser
from pathlib import Path

import pytest

from fleet.core.errors import AuthenticationError, UnreachableError
from fleet.machines.access import Access, Address
from fleet.machines.host import LostError, read
from fleet.machines.os import shell
from fleet.machines.os.family import MachineError
from fleet.machines.ssh import Limit, Ssh, line
from tests.machines.sshd import Sshd, sshd


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    with sshd(tmp_path) as found:
        yield found


def on(host: Ssh, tell: Callable[[Ssh], Awaitable[None]]) -> None:
    async def run() -> None:
        try:
            await tell(host)
        finally:
            await host.close()

    asyncio.run(run())


def test_exit_code_and_both_outputs_come_back(server: Sshd) -> None:
    async def tell(host: Ssh) -> None:
        ran = await host.run(("sh", "-c", "echo out; echo err >&2; exit 7"))
        assert (ran.code, ran.stdout, ran.stderr) == (7, "out\n", "err\n")
        ran = await host.run(("printf", "%s", "$(id); 'a' b"))
        assert ran.stdout == "$(id); 'a' b"

    on(server.host(), tell)


def test_large_outputs_on_both_sides_do_not_block(server: Sshd) -> None:
    async def tell(host: Ssh) -> None:
        ran = await host.run(("sh", "-c", "seq 1 300000; seq 1 300000 >&2"))
        assert ran.stdout.endswith("300000\n")
        assert ran.stderr.endswith("300000\n")
        assert len(ran.stdout) == len(ran.stderr) == 1_988_895

    on(server.host(), tell)


def test_files_are_read_and_absent_ones_are_none(server: Sshd, tmp_path: Path) -> None:
    (tmp_path / "a b").write_text("text\n")

    async def tell(host: Ssh) -> None:
        assert await read(host, str(tmp_path / "a b")) == "text\n"
        assert await read(host, str(tmp_path / "none")) is None

    on(server.host(), tell)


def test_a_host_that_is_not_known_is_refused_and_not_added(server: Sshd) -> None:
    server.known_hosts.write_text("")

    async def tell(host: Ssh) -> None:
        with pytest.raises(AuthenticationError, match="not in known_hosts") as refused:
            await host.run(("true",))
        assert "compare the fingerprint" in refused.value.hint
        assert "ssh-keyscan" not in refused.value.hint

    on(server.host(), tell)
    assert server.known_hosts.read_text() == ""


def test_a_host_with_another_key_than_the_known_one_is_refused(server: Sshd) -> None:
    server.know(server.user_key)

    async def tell(host: Ssh) -> None:
        with pytest.raises(AuthenticationError, match="not the known one"):
            await host.run(("true",))

    on(server.host(), tell)


def test_hashed_names_are_known(server: Sshd) -> None:
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(server.known_hosts)], check=True, capture_output=True)
    assert "127.0.0.1" not in server.known_hosts.read_text()

    async def tell(host: Ssh) -> None:
        assert (await host.run(("true",))).good

    on(server.host(), tell)


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
def test_a_certificate_of_a_known_authority_is_trusted_for_its_hosts(
    tmp_path: Path, principals: str, good: bool
) -> None:
    with sshd(tmp_path):
        pass
    server = certified(tmp_path, principals)
    server.start()

    async def tell(host: Ssh) -> None:
        if good:
            assert (await host.run(("true",))).good
        else:
            with pytest.raises(AuthenticationError, match="is for n-2, not"):
                await host.run(("true",))

    try:
        on(server.host(), tell)
    finally:
        server.stop()


def test_a_key_that_is_not_accepted_is_told(server: Sshd, tmp_path: Path) -> None:
    (tmp_path / "authorized").write_text("")

    async def tell(host: Ssh) -> None:
        with pytest.raises(AuthenticationError, match="no key is accepted"):
            await host.run(("true",))

    on(server.host(), tell)


def test_nobody_who_listens_is_told(server: Sshd) -> None:
    server.stop()

    async def tell(host: Ssh) -> None:
        with pytest.raises(UnreachableError, match=r"127\.0\.0\.1"):
            await host.run(("true",))

    on(server.host(), tell)


def test_a_connection_that_dies_under_a_command_is_lost_and_made_anew(server: Sshd) -> None:
    async def tell(host: Ssh) -> None:
        with pytest.raises(LostError):
            await host.run(("sh", "-c", "kill -9 $PPID; sleep 1"))
        assert (await host.run(("true",))).good

    on(server.host(), tell)


def test_a_reboot_that_takes_the_connection_away_is_a_success(server: Sshd) -> None:
    async def tell(host: Ssh) -> None:
        await shell.reboot(host, ("sh", "-c", "kill -9 $PPID; sleep 1"))
        with pytest.raises(MachineError, match="exit 1: no right"):
            await shell.reboot(host, ("sh", "-c", "echo no right >&2; exit 1"))

    on(server.host(), tell)


def test_a_command_that_does_not_end_is_given_up(server: Sshd) -> None:
    async def tell(host: Ssh) -> None:
        with pytest.raises(MachineError, match="has not ended after 0 s"):
            await host.run(("sleep", "60"), seconds=0.4)
        assert (await host.run(("true",))).good

    on(server.host(), tell)


def test_a_machine_that_falls_silent_under_a_command_is_lost_and_not_slow(
    server: Sshd, tmp_path: Path
) -> None:
    """A network that is cut tells nobody: whether the command was done is not known."""

    async def tell(host: Ssh) -> None:
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
        assert (await host.run(("true",))).good

    on(server.host(), tell)


def test_name_port_user_and_key_come_from_the_configuration(server: Sshd, tmp_path: Path) -> None:
    server.configure(
        f"Host n-1\n  HostName 127.0.0.1\n  Port {server.port}\n  User {getuser()}\n"
        f"  IdentityFile {server.user_key}\n"
    )

    async def tell(host: Ssh) -> None:
        assert (await host.run(("true",))).good

    on(Ssh(Address("n-1"), server.access(identity=""), Limit()), tell)


def test_jump_hosts_are_gone_through_one_behind_the_other(server: Sshd, tmp_path: Path) -> None:
    machine = f"  HostName 127.0.0.1\n  Port {server.port}\n  User {getuser()}\n"
    server.configure(
        f"Host j-1 j-2\n{machine}Host n-1\n{machine}  ProxyJump j-1,j-2\nHost n-2\n{machine}  ProxyJump j-3\n"
    )

    async def tell(host: Ssh) -> None:
        ran = await host.run(("sh", "-c", "echo $SSH_CONNECTION"))
        assert ran.good

    on(Ssh(Address("n-1"), server.access(), Limit()), tell)
    accepted = (tmp_path / "log").read_text().count("Accepted publickey")
    assert accepted == 3


def test_an_agent_s_key_is_used(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert agent.poll() is None
        environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        subprocess.run(["ssh-add", "-q", str(server.user_key)], env=environment, check=True)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        server.configure(agent="SSH_AUTH_SOCK")

        async def tell(host: Ssh) -> None:
            assert (await host.run(("true",))).good

        on(server.host(server.access(identity="")), tell)
    finally:
        agent.terminate()
        agent.wait(10)


def test_no_more_run_at_once_than_the_limit_says(server: Sshd, tmp_path: Path) -> None:
    async def run() -> None:
        limit = Limit(3)
        access: Access = server.access()
        address = Address("127.0.0.1", getuser(), server.port)
        hosts = [Ssh(address, access, limit) for _ in range(9)]
        script = f"touch {tmp_path}/at-$$; ls {tmp_path}/at-* | wc -l; sleep 0.2; rm {tmp_path}/at-$$"
        try:
            counts = await asyncio.gather(*(host.run(("sh", "-c", script)) for host in hosts))
        finally:
            await asyncio.gather(*(host.close() for host in hosts))
        assert max(int(ran.stdout) for ran in counts) in (2, 3)

    asyncio.run(run())


def test_other_users_than_root_get_their_rights_by_sudo() -> None:
    assert line(("echo", "a b"), as_root=True) == "sudo -n -- echo 'a b'"
    assert line(("echo", "a b"), as_root=False) == "echo 'a b'"
