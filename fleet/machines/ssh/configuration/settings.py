"""Converts the output of `ssh -G` for one machine to settings. Pure.

Keywords that determine which host and user are connected, and how that is verified, are followed or refused by name;
the rest is ignored. Tokens are expanded where ssh itself does that later than `ssh -G` (OpenSSH 9.2, ssh.c and
sshconnect2.c).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from msgspec import Struct

from fleet.core.records.errors import UsageError
from fleet.machines.ssh.configuration.keywords import FOLLOWED, LEFT_ALONE, REFUSED

CONNECT_SECONDS = 20.0
"""The connect timeout in seconds, where the configuration has no ConnectTimeout."""
ALIVE_SECONDS = 15
"""The keepalive interval in seconds, where the configuration has no ServerAliveInterval."""
AddressFamily = Literal["any", "inet", "inet6"]
_ON = ("yes", "true", "unbound", "host-bound")
_OFF = ("no", "false", "off")


class Here(Struct, frozen=True):
    """The values of tokens and `~` on this machine."""

    home: str
    """The home in the password file, as OpenSSH uses it; not HOME."""
    user: str
    uid: int
    hostname: str
    environment: Mapping[str, str] = {}


class SshSettings(Struct, frozen=True):
    """The settings for a connection to one machine."""

    name: str
    """The name by which the machine was requested."""
    host: str
    """The host to connect to: a name for the resolver, or an address."""
    port: int
    user: str
    family: AddressFamily = "any"
    bind: str = ""
    """The local address that connections are made from; empty: any."""
    connect_seconds: float = CONNECT_SECONDS
    alive_seconds: int = ALIVE_SECONDS
    command: str = ""
    """A shell command that makes the connection (ProxyCommand)."""
    jumps: tuple[str, ...] = ()
    """Jump hosts as `user@host:port`; the last is the nearest to the machine."""
    alias: str = ""
    """The name of the host in known_hosts, without a port (HostKeyAlias)."""
    known_hosts: tuple[str, ...] = ()
    revoked: str = ""
    """The path of a file of revoked host keys."""
    check_ip: bool = False
    """True if a host is refused whose address is known with another key."""
    rsa_bits: int = 1024
    """The least bits of RSA keys that are accepted."""
    host_key_algorithms: tuple[str, ...] = ()
    ca_algorithms: tuple[str, ...] = ()
    """Signature algorithms that are allowed in host certificates."""
    kex_algorithms: tuple[str, ...] = ()
    ciphers: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    key_algorithms: tuple[str, ...] = ()
    """Algorithms of the keys that are offered."""
    identities: tuple[str, ...] = ()
    """Files of keys, private or only public; not all of them need exist."""
    certificates: tuple[str, ...] = ()
    only_identities: bool = False
    """True if only those keys of the agent are used that are among `identities`."""
    agent: str = ""
    """The agent's socket; empty: none."""
    host_notes: tuple[str, ...] = ()
    """Settings that are set and not followed, since they would have a host trusted with less proof, or another
    host."""
    login_notes: tuple[str, ...] = ()
    """Settings that are set and not followed: other login methods."""


class Printed(Struct, frozen=True):
    """The output of `ssh -G`, by keyword in lower case."""

    values: Mapping[str, tuple[str, ...]]

    def first(self, keyword: str, otherwise: str = "") -> str:
        return self.values.get(keyword, (otherwise,))[0]

    def value(self, keyword: str) -> str:
        """Returns the value of the keyword; empty for `none`."""
        found = self.first(keyword)
        return "" if found.lower() == "none" else found

    def on(self, keyword: str) -> bool:
        return self.first(keyword).lower() in _ON

    def listed(self, keyword: str) -> tuple[str, ...]:
        return tuple(part for part in self.value(keyword).split(",") if part)


def printed(text: str) -> Printed:
    """Parses the output of `ssh -G`: a keyword and its value on each line."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.split("\n"):
        keyword, _, value = line.partition(" ")
        if keyword:
            found[keyword.lower()] = (*found.get(keyword.lower(), ()), value)
    return Printed(found)


def unknown(printed: Printed, defaults: Printed) -> tuple[str, ...]:
    """Returns the keywords that are set and that this version of fleet does not know: `defaults` come from the same
    ssh without any configuration."""
    heard_of = FOLLOWED | LEFT_ALONE | REFUSED.keys()
    return tuple(
        sorted(
            keyword
            for keyword, value in printed.values.items()
            if keyword not in heard_of and defaults.values.get(keyword) != value
        )
    )


def settings(printed: Printed, here: Here, unheard_of: Sequence[str] = ()) -> SshSettings:
    """Returns the settings. Raises UsageError with everything in the configuration that fleet does not support, by
    keyword, and the remedy."""
    name = printed.first("host")
    problems = [
        *_refused(printed),
        *(f"{unheard} is a keyword that fleet does not know" for unheard in unheard_of),
    ]
    tokens = _tokens(printed, here)
    identities, certificates = (
        tuple(
            _path(value, keyword, tokens, here, problems)
            for value in printed.values.get(keyword, ())
            if value != "none"
        )
        for keyword in ("identityfile", "certificatefile")
    )
    command = printed.value("proxycommand")
    jumps = printed.listed("proxyjump")
    if command:
        command = _expanded(command, "proxycommand", {token: tokens[token] for token in "%hnpr"}, problems)
    known = tuple(
        path
        for keyword in ("userknownhostsfile", "globalknownhostsfile")
        for path in _files(printed, keyword, here, problems)
    )
    family = printed.first("addressfamily", "any")
    if family not in get_args(AddressFamily):
        problems.append(f"addressfamily {family} is none of any, inet and inet6")
    if problems:
        raise refusal(name, problems)
    return SshSettings(
        name=name,
        host=printed.first("hostname", name),
        port=int(printed.first("port", "22")),
        user=printed.first("user"),
        family=family,  # type: ignore[arg-type]
        bind=printed.first("bindaddress"),
        connect_seconds=float(printed.value("connecttimeout") or 0) or CONNECT_SECONDS,
        alive_seconds=int(printed.first("serveraliveinterval", "0")) or ALIVE_SECONDS,
        command=command,
        jumps=() if command else jumps,
        alias=printed.first("hostkeyalias").lower(),
        known_hosts=known,
        revoked=_home(printed.value("revokedhostkeys"), here),
        check_ip=printed.on("checkhostip"),
        rsa_bits=int(printed.first("requiredrsasize", "1024")),
        host_key_algorithms=printed.listed("hostkeyalgorithms"),
        ca_algorithms=printed.listed("casignaturealgorithms"),
        kex_algorithms=printed.listed("kexalgorithms"),
        ciphers=printed.listed("ciphers"),
        macs=printed.listed("macs"),
        key_algorithms=printed.listed("pubkeyacceptedalgorithms"),
        identities=identities,
        certificates=certificates,
        only_identities=printed.on("identitiesonly"),
        agent=_agent(printed, here),
        host_notes=_host_notes(printed),
        login_notes=_login_notes(printed),
    )


def refusal(name: str, problems: Sequence[str]) -> UsageError:
    return UsageError(
        f"the ssh configuration of {name} requires what fleet does not support: {'; '.join(problems)}",
        f"change it for this machine alone, in a block `Host {name}`; docs/hosts.md lists what is read",
    )


def _refused(printed: Printed) -> list[str]:
    found = [
        f"{keyword} {printed.first(keyword)} ({remedy})"
        for keyword, remedy in REFUSED.items()
        if printed.value(keyword)
    ]
    if printed.first("pubkeyauthentication", "yes").lower() in _OFF:
        found.append("pubkeyauthentication no (fleet logs in by public keys alone: enable it)")
    methods = printed.listed("preferredauthentications")
    if methods and "publickey" not in methods:
        wanted = ",".join(methods)
        found.append(f"preferredauthentications {wanted} (fleet logs in by public keys alone: add publickey)")
    command = printed.value("proxycommand")
    if command == "-":
        found.append("proxycommand - (fleet's standard input is not a connection)")
    if command and printed.on("proxyusefdpass"):
        found.append("proxyusefdpass yes (have the ProxyCommand carry the connection itself)")
    return found


def _host_notes(printed: Printed) -> tuple[str, ...]:
    strict = printed.first("stricthostkeychecking", "ask").lower()
    strict = "no" if strict in _OFF else strict
    notes = [f"StrictHostKeyChecking {strict}"] if strict in ("no", "accept-new") else []
    if printed.first("verifyhostkeydns", "no").lower() not in _OFF:
        notes.append(f"VerifyHostKeyDNS {printed.first('verifyhostkeydns')}")
    if printed.on("nohostauthenticationforlocalhost"):
        notes.append("NoHostAuthenticationForLocalhost yes")
    if printed.on("gssapikeyexchange"):
        notes.append("GSSAPIKeyExchange yes")
    return tuple(notes)


def _login_notes(printed: Printed) -> tuple[str, ...]:
    ways = {
        "hostbasedauthentication": "HostbasedAuthentication",
        "gssapiauthentication": "GSSAPIAuthentication",
    }
    return tuple(name for keyword, name in ways.items() if printed.on(keyword))


def _tokens(printed: Printed, here: Here) -> dict[str, str]:
    """Returns the values of tokens. ssh itself gives %C, by `ControlPath=/%C`, since its hash differs between
    versions."""
    name = printed.first("host")
    jumps = printed.listed("proxyjump")
    nearest = re.sub(r"^\[|\](:\d+)?$|(?<![:\]]):\d+$", "", jumps[-1].rpartition("@")[2]) if jumps else ""
    found = {
        "%": "%",
        "d": here.home,
        "h": printed.first("hostname", name),
        "i": str(here.uid),
        "j": nearest,
        "k": printed.first("hostkeyalias") or name,
        "L": here.hostname.partition(".")[0],
        "l": here.hostname,
        "n": name,
        "p": printed.first("port", "22"),
        "r": printed.first("user"),
        "u": here.user,
    }
    digest = printed.first("controlpath").removeprefix("/")
    return found | ({"C": digest} if re.fullmatch("[0-9a-f]{40}", digest) else {})


def _expanded(text: str, keyword: str, tokens: Mapping[str, str], problems: list[str]) -> str:
    def of(found: re.Match[str]) -> str:
        if found[1] not in tokens:
            problems.append(
                f"{keyword} {text} (the token %{found[1]} is not known to fleet: write its value)"
            )
        return tokens.get(found[1], "")

    return re.sub("%(.?)", of, text)


def _path(text: str, keyword: str, tokens: Mapping[str, str], here: Here, problems: list[str]) -> str:
    def of(found: re.Match[str]) -> str:
        if found[1] not in here.environment:
            problems.append(f"{keyword} {text} (the environment has no {found[1]})")
        return here.environment.get(found[1], "")

    return re.sub(r"\$\{([^}]*)\}", of, _expanded(_home(text, here), keyword, tokens, problems))


def _home(text: str, here: Here) -> str:
    return here.home + text[1:] if text == "~" or text.startswith("~/") else text


def _files(printed: Printed, keyword: str, here: Here, problems: list[str]) -> tuple[str, ...]:
    """Returns the paths of the files. ssh prints them separated by blanks, so a blank in a name cannot be recognized;
    `~` of global files is not expanded yet, and a `%` in those is no token."""
    found = tuple(_home(part, here) for part in printed.value(keyword).split(" ") if part)
    if any(not path.startswith("/") for path in found):
        problems.append(f"{keyword} {' '.join(found)} (fleet reads absolute paths without blanks)")
    return found


def _agent(printed: Printed, here: Here) -> str:
    wanted = printed.first("identityagent", "SSH_AUTH_SOCK")
    if wanted == "none":
        return ""
    if wanted == "SSH_AUTH_SOCK" or wanted.startswith("$"):
        return here.environment.get(wanted.removeprefix("$"), "")
    return wanted
