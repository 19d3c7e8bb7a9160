"""How ansible gets to a machine: as `reach: ssh` does, by the user's own ssh configuration and known hosts."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

from msgspec import Struct

from fleet.core.errors import UnreachableError
from fleet.machines.ssh import CONNECT_SECONDS, Access, Address, Limit

_OPTIONS = (
    f"-o ConnectTimeout={CONNECT_SECONDS:.0f} -o ServerAliveInterval=5 -o ServerAliveCountMax=3 "
    "-o StrictHostKeyChecking=yes -o BatchMode=yes"
)


class Login(Struct, frozen=True):
    address: Address
    access: Access
    limit: Limit


class Way:
    """To one machine. `folder` gets the configuration that ssh is told to read, `sockets` its connections."""

    def __init__(self, login: Login, folder: Path, sockets: Path) -> None:
        self._login = login
        self._file = folder / "ssh_config"
        self._sockets = sockets
        self._user = ""

    async def host(self) -> dict[str, object]:
        """Its variables in an inventory."""
        address, access = self._login.address, self._login.access
        if not self._user:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file.write_text(text(access))
            self._user = address.user or await self._known_user()
        found: dict[str, object] = {
            "ansible_host": address.host,
            "ansible_connection": "ssh",
            # With a terminal, what goes to standard error comes on the other one.
            "ansible_ssh_use_tty": False,
            "ansible_ssh_common_args": f"-F {shlex.quote(str(self._file))} {_OPTIONS}",
            "ansible_control_path": f"{self._sockets}/%%C",
        }
        if address.user:
            found["ansible_user"] = address.user
        if address.port:
            found["ansible_port"] = address.port
        if access.sudo and self._user != "root":
            found |= {"ansible_become": True, "ansible_become_method": "sudo", "ansible_become_flags": "-n"}
        return found

    async def close(self) -> None:
        """ssh keeps a connection for a minute after its last use."""
        for socket in await asyncio.to_thread(lambda: [*self._sockets.iterdir()]):
            process = await asyncio.create_subprocess_exec(
                *("ssh", "-F", "none", "-S", str(socket), "-O", "exit", self._login.address.host),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            await process.wait()

    async def _known_user(self) -> str:
        """As ssh itself reads the configuration."""
        process = await asyncio.create_subprocess_exec(
            *("ssh", "-F", str(self._file), "-G", self._login.address.host),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        found = [line.split()[1] for line in out.decode().splitlines() if line.startswith("user ")]
        if process.returncode != 0 or not found:
            raise UnreachableError(f"{self._login.address}: ssh -G: {err.decode().strip()}")
        return found[0]


def text(access: Access) -> str:
    """An ssh_config(5) that reads the user's own first. ssh by itself looks for that in the home of the password file
    alone, and everything else of fleet in HOME."""
    known = " ".join(_quoted(each) for each in access.known_hosts)
    lines = [f"Include {_quoted(access.config)}", "Include /etc/ssh/ssh_config", "Host *"]
    lines.append(f"  UserKnownHostsFile {known}")
    if access.identity:
        lines.append(f"  IdentityFile {_quoted(access.identity)}")
    if not access.agent:
        lines.append("  IdentityAgent none")
    return "\n".join(lines) + "\n"


def _quoted(path: str) -> str:
    return f'"{Path(path).expanduser()}"'
