"""The ssh connection of Ansible to a machine: by OpenSSH, with the same configuration and the same refusals as `reach:
ssh` has by paramiko."""

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
from fleet.machines.ssh.configuration.openssh import here, read_settings, text
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
    # Ansible itself sets the preferred authentication methods.
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
"""Options for the machine and for its jump hosts, so that ssh allows no more than fleet's own connection does."""

OF_ANSIBLE: Mapping[str, object] = {
    "ansible_connection": "ssh",
    "ansible_ssh_executable": "ssh",
    # With a terminal, standard error would be mixed into standard output.
    "ansible_ssh_use_tty": False,
    "ansible_ssh_args": "-C -o ControlMaster=auto -o ControlPersist=60s",
    "ansible_ssh_extra_args": "",
    "ansible_sftp_extra_args": "",
    "ansible_scp_extra_args": "",
    "ansible_host_key_checking": True,
    "ansible_ssh_host_key_checking": True,
}
"""Variables that override an ansible.cfg and the environment: arguments of ssh take precedence over its configuration,
and many users have set `-o StrictHostKeyChecking=no` there."""


class Login(Struct, frozen=True):
    address: SshAddress
    access: SshAccess
    limit: Limit


class OpenSshConfig:
    """The OpenSSH configuration for one machine, written to `folder`; the sockets of connections are in `sockets`."""

    def __init__(self, login: Login, folder: Path, sockets: Path) -> None:
        self._login = login
        self._file = folder / "ssh_config"
        self._sockets = sockets

    async def host(self) -> dict[str, object]:
        """Returns the host's variables for an inventory. Raises UsageError where the configuration wants what fleet
        does not support."""
        address, access = self._login.address, self._login.access
        settings = await asyncio.to_thread(self._ssh_settings)
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
        """Closes the connections, which ssh would keep for a minute after their last use."""
        for socket in await asyncio.to_thread(lambda: [*self._sockets.iterdir()]):
            argv = ("ssh", "-F", "none", "-S", str(socket), "-O", "exit", self._login.address.host)
            # A connection that does not close in time is left to ssh, which closes it after a minute.
            with suppress(TimeoutError):
                await programs.run(argv, for_others(os.environ), CLOSE_SECONDS, first(0))

    def _ssh_settings(self) -> SshSettings:
        """Returns the settings of `reach: ssh` for the machine and all of its jump hosts."""
        address, access = self._login.address, self._login.access
        settings = read_settings(address, access)
        jumps = settings.jumps
        for _ in range(JUMPS):
            if not jumps:
                break
            *further, nearest = jumps
            jumps = read_settings(address_of(nearest), access, further).jumps
        else:
            raise UnreachableError(f"{address}: more than {JUMPS} jump hosts, one behind the other")
        # ssh itself waits for as long as the network stack does.
        first = (*FIRST, f"ConnectTimeout {settings.connect_seconds or CONNECT_SECONDS:.0f}")
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file.write_text(text(access, here(), first))
        return settings
