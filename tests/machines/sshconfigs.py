"""Seeded ssh_config(5) files, with all the ways to write a value that OpenSSH reads."""

from __future__ import annotations

import random
from pathlib import Path

HOST = "n-1.Example"
"""Whom they are asked about."""
NAMES = ("%h", "10.0.0.8", "2001:db8::5", "n-1.internal", "%h.internal", "x%%y")
USERS = ("core", "admin", "a.b", "root")
JUMPS = (
    "bastion",
    "jo@bastion:2200",
    "ssh://jo@bastion:2200",
    "ssh://bastion",
    "[2001:db8::1]:22",
    "a,jo@b:23",
    "none",
)
PLAIN_JUMPS = ("bastion", "jo@bastion:2200", "[2001:db8::1]:22", "a,jo@b:23", "none")
TOKENS = ("%h", "%n", "%p", "%r", "%u", "%d", "%i", "%k", "%l", "%L", "%%", "%C", "${FLEET_TEST}")
PLAIN_TOKENS = ("%h", "%n", "%p", "%r", "%u", "%d", "%i", "%k", "%l", "%L", "%%")

HEADS = (
    *(
        "Host n-1.Example",
        "Host n-?.*",
        "host = other n-1*",
        'Host "n-1.Example" # here',
        "Host * !n-1.Example",
    ),
    *("HOST\t*", "Host n-2", "Host n-1.example", "# Bob's till", "Host n-1.Example # Bob's till"),
)
MATCHES = f"""\
Match host n-1.*
Match originalhost n-1.Example user core
Match all
Match final
Match canonical
Match exec "test %p = 22"
Match !exec "false" host *
Match localuser root host {HOST}
Match user core,admin""".split("\n")


def written(chance: random.Random, folder: Path, plain: bool) -> Path:
    """A file of some blocks; where not plain, with Match, Include and the like."""
    folder.mkdir()
    blocks = [_block(chance, folder, plain, number) for number in range(chance.randint(1, 4))]
    rest = (
        f"Host *\n  UserKnownHostsFile {folder}/known\n  IdentityFile {folder}/last\n  IdentityAgent none\n"
    )
    file = folder / "config"
    file.write_text("\n".join((*blocks, rest)))
    return file


def _block(chance: random.Random, folder: Path, plain: bool, number: int) -> str:
    lines = [f"  {_line(chance, folder, plain)}" for _ in range(chance.randint(1, 5))]
    head = chance.choice(HEADS)
    if plain:
        return "\n".join((head, *lines))
    head = chance.choice((head, head, *MATCHES))
    if chance.random() < 0.3:
        inner = folder / f"inner-{number}.conf"
        inner.write_text("\n".join((chance.choice(("", "Host n-1.*", "Match all")), *lines)) + "\n")
        names = (f"{inner}", f"{folder}/inner-{number}*", f'{folder}/none* "{inner}"')
        return f"{head}\n  Include {chance.choice(names)}\n"
    return "\n".join((head, *lines))


def _line(chance: random.Random, folder: Path, plain: bool) -> str:
    tokens = PLAIN_TOKENS if plain else TOKENS
    token = chance.choice(tokens)
    keyword, value = chance.choice(
        (
            ("HostName", chance.choice(NAMES)),
            ("HostName", chance.choice(NAMES)),
            ("User", chance.choice(USERS)),
            ("User", chance.choice(USERS)),
            ("Port", chance.choice(("2222", "22", "022"))),
            ("IdentityFile", f"{folder}/key-{token}"),
            ("IdentityFile", f"~/.ssh/fleet-{token}"),
            ("IdentityFile", f"{folder}/a key"),
            ("CertificateFile", f"{folder}/certificate-{token}"),
            ("HostKeyAlias", chance.choice(("rack", "Rack.Example", "a#b"))),
            ("ProxyJump", chance.choice(PLAIN_JUMPS if plain else JUMPS)),
            (
                "ProxyCommand",
                chance.choice(("nc %h %p", "nc -x '%r' \"%n\" %p # %%", "none", "ssh -W [%h]:%p b")),
            ),
            ("UserKnownHostsFile", f"{folder}/one {folder}/two-{chance.choice(('%h', '%k', '%n', '%u'))}"),
            ("GlobalKnownHostsFile", chance.choice(("none", f"{folder}/three"))),
            ("ConnectTimeout", chance.choice(("5", "1m", "1m30s", "none"))),
            ("ServerAliveInterval", chance.choice(("7", "2m"))),
            ("AddressFamily", chance.choice(("inet", "inet6", "any"))),
            ("StrictHostKeyChecking", chance.choice(("yes", "no", "accept-new", "ask"))),
            ("IdentitiesOnly", chance.choice(("yes", "no", "true"))),
            ("CheckHostIP", chance.choice(("yes", "no"))),
            ("BindAddress", "127.0.0.1"),
            ("SendEnv", "LANG LC_*"),
            ("ForwardAgent", "no"),
        )
    )
    return _spelt(chance, keyword, value)


def _spelt(chance: random.Random, keyword: str, value: str) -> str:
    raw = keyword in ("ProxyJump", "ProxyCommand")
    single = keyword not in ("UserKnownHostsFile", "SendEnv")
    if not raw and ((" " in value and single) or (single and chance.random() < 0.25)):
        value = chance.choice((f'"{value}"', f"'{value}'", value.replace(" ", "\\ ")))
    keyword = chance.choice((keyword, keyword, keyword.lower(), keyword.upper(), f'"{keyword}"'))
    # A quoted keyword takes no `=`: ssh reads that as the value's first character.
    between = chance.choice((" ", "\t", "   ") if '"' in keyword else (" ", " ", "\t", " = ", "=", "   "))
    behind = "" if raw else chance.choice(("", "", "", "  ", " # rack 2", "\t# Bob's", '  #"', "\r"))
    return f"{keyword}{between}{value}{behind}"
