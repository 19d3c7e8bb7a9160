"""How ansible gets to a machine: by OpenSSH, as `reach: ssh` does by paramiko, from the same configuration and with the same
refusals."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from fleet.core.records.errors import UnreachableError
from fleet.core.text.environment import for_others
from fleet.machines.access import SshAccess, SshAddress, address_of
from fleet.machines.ssh.configuration.openssh import asked, here, text
from fleet.machines.ssh.configuration.settings import CONNECT_SECONDS, SshSettings
from fleet.machines.ssh.host import JUMPS, Limit
from fleet.system import programs
from fleet.system.programs import first

CLOSE_SECONDS = 10.0

FIRST = (
    "StrictHostKeyChecking yes",
    "NoHostAuthenticationForLocalhost no",
    "VerifyHostKeyDNS no",
    "UpdateHostKeys no",
    "IgnoreUnknown GSSAPIKeyExchange",
    "GSSAPIKeyExchange no",
    # Ansible says by itself which ways to log in it prefers.
    "GSSAPIAuthentication no",
    "HostbasedAuthentication no",
    "PreferredAuthentications publickey",
    "BatchMode yes",
    "RemoteCommand none",
    "RequestTTY no",
    "PermitLocalCommand no",
    "ServerAliveInterval 5",
    "ServerAliveCountMax 3",
)
"""Of the machine and of the jump hosts before it: what fleet's own connection does not do either."""

OF_ANSIBLE: Mapping[str, object] = {
    "ansible_connection": "ssh",
    "ansible_ssh_executable": "ssh",
    # With a terminal, what goes to standard error comes on the other one.
    "ansible_ssh_use_tty": False,
    "ansible_ssh_args": "-C -o ControlMaster=auto -o ControlPersist=60s",
    "ansible_ssh_extra_args": "",
    "ansible_sftp_extra_args": "",
    "ansible_scp_extra_args": "",
    "ansible_host_key_checking": True,
    "ansible_ssh_host_key_checking": True,
}
"""What an ansible.cfg or the environment would say otherwise: arguments of ssh go before its configuration, and many a
user's have `-o StrictHostKeyChecking=no`."""


class Login(Struct, frozen=True):
    address: SshAddress
    access: SshAccess
    limit: Limit


class OpenSshConfig:
    """To one machine. `folder` gets the configuration that ssh is told to read, `sockets` its connections."""

    def __init__(self, login: Login, folder: Path, sockets: Path) -> None:
        self._login = login
        self._file = folder / "ssh_config"
        self._sockets = sockets

    async def host(self) -> dict[str, object]:
        """Returns the host's variables in an inventory. Raises UsageError where the configuration wants what fleet
        does not do."""
        address, access = self._login.address, self._login.access
        settings = await asyncio.to_thread(self._asked)
        found: dict[str, object] = {
            **OF_ANSIBLE,
            "ansible_host": address.host,
            "ansible_port": settings.port,
            "ansible_user": settings.user,
            "ansible_ssh_private_key_file": access.identity,
            "ansible_ssh_common_args": f"-F {shlex.quote(str(self._file))}",
            "ansible_control_path": f"{self._sockets}/%%C",
            "ansible_become": False,
        }
        if access.sudo and settings.user != "root":
            found |= {"ansible_become": True, "ansible_become_method": "sudo", "ansible_become_flags": "-n"}
        return found

    async def close(self) -> None:
        """Ends the connections that ssh would keep for a minute after their last use."""
        for socket in await asyncio.to_thread(lambda: [*self._sockets.iterdir()]):
            argv = ("ssh", "-F", "none", "-S", str(socket), "-O", "exit", self._login.address.host)
            # What does not answer is left to ssh, which ends it after a minute.
            with suppress(TimeoutError):
                await programs.run(argv, for_others(os.environ), CLOSE_SECONDS, first(0))

    def _asked(self) -> SshSettings:
        """As `reach: ssh` asks, on the whole way."""
        address, access = self._login.address, self._login.access
        settings = asked(address, access)
        jumps = settings.jumps
        for _ in range(JUMPS):
            if not jumps:
                break
            *further, nearest = jumps
            jumps = asked(address_of(nearest), access, further).jumps
        else:
            raise UnreachableError(f"{address}: more than {JUMPS} jump hosts, one behind the other")
        # ssh itself waits as long as the network does.
        first = (*FIRST, f"ConnectTimeout {settings.connect_seconds or CONNECT_SECONDS:.0f}")
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file.write_text(text(access, here(), first))
        return settings
