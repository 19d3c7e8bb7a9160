"""Five hosts that a user's ssh reaches in five different ways: an Include, a jump host named by URI, certificates on both
sides, a HostKeyAlias, another port."""

from __future__ import annotations

import subprocess
from getpass import getuser
from pathlib import Path

from tests.machines.host import Host
from tests.machines.sshd import Sshd


def write(folder: Path, hosts: list[Host], jump: Sshd) -> None:
    """`folder`: the .ssh of a home. Each host is known there by what its own connection needs, and by nothing
    else."""
    included, behind, certified, alias, elsewhere = hosts
    keys = folder / "keys"
    keys.mkdir()
    login = _new_key(keys / "login")
    _certify(keys, certified)
    for host in (included, behind, alias, elsewhere):
        public = login.with_suffix(".pub").read_text().strip()
        host.run(f"echo '{public}' >>/etc/ssh/authorized_keys.root")
    elsewhere.run("printf 'Port 22\\nPort 2222\\n' >/etc/ssh/sshd_config.d/port.conf; systemctl restart ssh")
    (folder / "conf.d").mkdir()
    (folder / "conf.d/tills").write_text(f"Host {included.name}\n  HostName {_address(included)} # rack 2\n")
    (folder / "config").write_text(
        f"""\
Include {folder}/conf.d/*
Host {behind.name}
  HostName {_address(behind)}
  ProxyJump ssh://{getuser()}@jump.example:{jump.port}
Host jump.example
  HostName 127.0.0.1
  User {getuser()}
  IdentityFile {jump.user_key}
Match host {certified.name}
  HostName {_address(certified)}
  HostKeyAlias {certified.name}.shop.example
  CertificateFile {keys}/user-cert.pub
  IdentityFile {keys}/user
Host {alias.name}
  HostName {_address(alias)}
  HostKeyAlias rack-7
Host {elsewhere.name}
  HostName = "{_address(elsewhere)}"
  Port 2222
Host *
  User root
  IdentitiesOnly yes
  IdentityFile {login}
"""
    )
    (folder / "known_hosts").write_text(
        f"{_address(included)} {_key(included)}\n{_address(behind)} {_key(behind)}\n"
        f"[127.0.0.1]:{jump.port} {' '.join(jump.host_key.with_suffix('.pub').read_text().split()[:2])}\n"
        f"@cert-authority *.shop.example {' '.join((keys / 'authority.pub').read_text().split()[:2])}\n"
        f"rack-7 {_key(alias)}\n[{_address(elsewhere)}]:2222 {_key(elsewhere)}\n"
    )


def _certify(keys: Path, host: Host) -> None:
    """Host and user show certificates of one authority; the user's key alone would not do."""
    authority, user = _new_key(keys / "authority"), _new_key(keys / "user")
    _run("ssh-keygen", "-q", "-s", str(authority), "-I", "user", "-n", "root", str(user.with_suffix(".pub")))
    own = keys / "host.pub"
    own.write_text(_key(host) + "\n")
    name = f"{host.name}.shop.example"
    _run("ssh-keygen", "-q", "-s", str(authority), "-h", "-I", host.name, "-n", name, str(own))
    certificate = (keys / "host-cert.pub").read_text().strip()
    public = authority.with_suffix(".pub").read_text().strip()
    host.run(
        f"echo '{certificate}' >/etc/ssh/host-cert.pub; echo '{public}' >/etc/ssh/authority.pub; "
        "printf 'HostCertificate /etc/ssh/host-cert.pub\\nTrustedUserCAKeys /etc/ssh/authority.pub\\n' "
        ">/etc/ssh/sshd_config.d/certificates.conf; systemctl restart ssh"
    )


def _address(host: Host) -> str:
    return next(each.address for each in host.machines.all if each.name == host.name)


def _key(host: Host) -> str:
    return " ".join(host.run("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2])


def _new_key(path: Path) -> Path:
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path))
    return path


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)
