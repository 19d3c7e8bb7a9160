"""Reads an ssh_config(5) without OpenSSH on this machine: plain lines are read, and every other line is refused.

Plain are `Host` blocks, and in them the keywords of PLAIN, and those that fleet ignores. Words, quotes and comments
are those of argv_split() in OpenSSH's misc.c; the first value of a keyword counts, as there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from glob import glob
from pathlib import Path

from fleet.core.records.errors import ConfigError, UsageError
from fleet.core.text.paths import expanded
from fleet.machines.access import SshAccess, SshAddress
from fleet.machines.ssh.configuration.keywords import LEFT_ALONE
from fleet.machines.ssh.configuration.patterns import listed
from fleet.machines.ssh.configuration.settings import Here, Printed

HINT = "without OpenSSH only a plain configuration is read (docs/hosts.md): install it (openssh-client), or change the line"
SYSTEM = Path("/etc/ssh/ssh_config")
RAW = frozenset(("proxycommand", "proxyjump", "localcommand", "remotecommand", "knownhostscommand"))
"""Keywords whose value is the rest of the line."""
SEVERAL = frozenset(
    ("userknownhostsfile", "globalknownhostsfile", "sendenv", "setenv", "ipqos", "permitremoteopen")
)
"""Keywords that take several arguments."""
ADDED = frozenset(("identityfile", "certificatefile"))
"""Keywords of which every value counts."""
YES_NO = frozenset(("checkhostip", "identitiesonly", "nohostauthenticationforlocalhost", "proxyusefdpass"))
WORDS = frozenset(
    """addressfamily bindaddress hostkeyalias hostname identityagent preferredauthentications pubkeyauthentication
    revokedhostkeys stricthostkeychecking user verifyhostkeydns""".split()  # noqa: SIM905 - shorter so
)
WAYS = frozenset(("proxycommand", "proxyjump"))
"""Keywords of which only the first one counts, except that a ProxyCommand counts after `ProxyJump none`."""
FILES = frozenset(("userknownhostsfile", "globalknownhostsfile"))
TOKENS = {"hostname": "%h", "userknownhostsfile": "%dhknpru"}
"""The tokens that are expanded here, by keyword: those that `ssh -G` prints expanded."""
PLAIN = YES_NO | WORDS | WAYS | FILES | ADDED | {"port", "connecttimeout", "serveraliveinterval"}
_KEYS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
_RSA = ("rsa-sha2-512", "rsa-sha2-256")
_CERTIFIED = tuple(f"{algorithm}-cert-v01@openssh.com" for algorithm in (*_KEYS, *_RSA))
_ALL = ",".join((*_CERTIFIED, *_KEYS, *_RSA))
DEFAULTS: dict[str, tuple[str, ...]] = {
    "port": ("22",),
    "addressfamily": ("any",),
    "checkhostip": ("no",),
    "stricthostkeychecking": ("ask",),
    "requiredrsasize": ("1024",),
    "identityfile": tuple(f"~/.ssh/id_{kind}" for kind in ("rsa", "ecdsa", "ed25519")),
    "globalknownhostsfile": ("/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2",),
    "hostkeyalgorithms": (_ALL,),
    "pubkeyacceptedalgorithms": (_ALL,),
    "casignaturealgorithms": (",".join((*_KEYS, *_RSA)),),
    "kexalgorithms": (
        "mlkem768x25519-sha256,curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"
        "ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,"
        "diffie-hellman-group14-sha256",
    ),
    "ciphers": ("aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com",),
    "macs": (
        "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1",
    ),
}
"""OpenSSH's defaults of the keywords that fleet uses."""
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_YES_NO = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}


def lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields the keyword and arguments of each line that is not empty, with its number.

    Raises ConfigError where a quote is not closed, UsageError where the file exists and cannot be read.
    """
    try:
        content = file.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    for number, line in enumerate(content.split("\n"), 1):
        rest = line.strip(" \t\r\f")
        if not rest or rest.startswith("#"):
            continue
        found = re.match(r'("[^"]*"|[^ \t\r\n="]+)[ \t\r]*=?[ \t\r]*', rest)
        arguments = _split(rest[found.end() :]) if found else None
        if found is not None and found[0].startswith('"') and "=" in found[0]:
            raise ConfigError([f"{file}:{number}: expected no = after a keyword in quotes, found one"], HINT)
        if found is None or arguments is None:
            raise ConfigError([f"{file}:{number}: expected quotes in pairs, found one alone"], HINT)
        keyword = found[1].strip('"')
        yield number, [keyword, rest[found.end() :]] if keyword.lower() in RAW else [keyword, *arguments]


def read(address: SshAddress, access: SshAccess, jumps: Sequence[str], here: Here) -> Printed:
    """Returns the configuration as `ssh -G` would print it. Raises ConfigError with every line that is not plain."""
    found: dict[str, tuple[str, ...]] = {"host": (address.host,)}
    if address.user:
        found["user"] = (address.user,)
    if address.port:
        found["port"] = (str(address.port),)
    if jumps:
        found["proxyjump"] = (",".join(jumps),)
    if access.identity:
        found["identityfile"] = (str(expanded(access.identity)),)
    home = Path(here.environment.get("HOME") or here.home)
    own = [expanded(access.config)] if access.config else [home / ".ssh/config", SYSTEM]
    problems: list[str] = []
    for file in own:
        _Reading(file, address.host, found, problems).read()
    if problems:
        raise ConfigError(problems, HINT)
    return Printed(_completed(found, address.host, here, home))


class _Reading:
    """Reads one file, and adds its values to those that were found before."""

    def __init__(self, file: Path, host: str, found: dict[str, tuple[str, ...]], problems: list[str]) -> None:
        self._file, self._host = file, host
        self._found, self._problems = found, problems
        self._active = True

    def read(self) -> None:
        for number, (keyword, *arguments) in lines(self._file):
            wrong = self._line(keyword.lower(), arguments)
            if wrong:
                self._problems.append(f"{self._file}:{number}: {wrong}")

    def _line(self, keyword: str, arguments: list[str]) -> str:
        """Reads one line and returns what is wrong; empty: it was read."""
        if keyword == "host":
            self._active = listed(arguments, self._host)
            return "" if arguments else "Host has no pattern"
        if keyword == "include" and not any(_included(argument, self._file) for argument in arguments):
            return ""
        if keyword not in PLAIN and keyword not in LEFT_ALONE:
            return f"{keyword} is not plain"
        if keyword.startswith("canonical"):
            return f"{keyword} is not plain"
        if not arguments or not arguments[0]:
            return f"{keyword} has no value"
        if len(arguments) > 1 and keyword not in SEVERAL:
            return f"{keyword} has more than one value"
        if not self._active or keyword not in PLAIN:
            return ""
        return self._take(keyword, arguments)

    def _take(self, keyword: str, arguments: list[str]) -> str:
        value, wrong = _value(keyword, arguments)
        if wrong:
            return wrong
        if keyword == "connecttimeout" and value.lower() == "none":
            # `none` leaves ConnectTimeout unset, so the next value counts.
            return ""
        if keyword in ADDED:
            before = self._found.get(keyword, ())
            self._found[keyword] = before if value in before else (*before, value)
        elif keyword not in WAYS or self._free(keyword):
            self._found.setdefault(keyword, (value,))
        return ""

    def _free(self, keyword: str) -> bool:
        jump = self._found.get("proxyjump", ("none",))[0].lower()
        return "proxycommand" not in self._found and (jump == "none" or keyword == "proxyjump")


def _value(keyword: str, arguments: list[str]) -> tuple[str, str]:
    """Returns the value as `ssh -G` would print it, and what is wrong with it."""
    value = " ".join(arguments)
    if "${" in value or (keyword != "hostname" and re.search("%C", value)):
        return value, f"{keyword} {value} is not plain: it is expanded"
    if keyword in TOKENS and "%" in re.sub(f"%[{TOKENS[keyword]}]", "", value):
        return value, f"{keyword} {value} is not plain: it has a token that fleet does not know"
    if keyword in YES_NO:
        known = _YES_NO.get(value.lower())
        return known or value, "" if known else f"{keyword} {value} is neither yes nor no"
    match keyword:
        case "port" if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
            return value, f"port {value} is not a number"
        case "port":
            return str(int(value)), ""
        case "connecttimeout" | "serveraliveinterval":
            return _seconds(keyword, value)
        case "proxyjump":
            value = re.sub(r"[ \t]+#.*$", "", value).strip()
            plain = all(
                re.fullmatch(r"([^@\s/]+@)?(\[[^\]\s]+\]|[^\s:@/%]+)(:\d+)?", part)
                for part in value.split(",")
            )
            return value, "" if plain else f"proxyjump {value} is not plain"
    return value, ""


def _seconds(keyword: str, value: str) -> tuple[str, str]:
    if value.lower() == "none" and keyword == "connecttimeout":
        return value, ""
    if not re.fullmatch(r"(\d+[smhdw]?)+", value.lower()):
        return value, f"{keyword} {value} is not a time"
    parts = re.findall(r"(\d+)([smhdw]?)", value.lower())
    return str(sum(int(number) * _SECONDS[unit] for number, unit in parts)), ""


def _completed(
    found: dict[str, tuple[str, ...]], host: str, here: Here, home: Path
) -> dict[str, tuple[str, ...]]:
    own = f"{home}/.ssh/known_hosts {home}/.ssh/known_hosts2"
    complete = {**DEFAULTS, "user": (here.user,), "userknownhostsfile": (own,), **found}
    # The host's own name is no pattern: an address on a link has a zone, as in fe80::1%eth0.
    name = host
    if "hostname" in found:
        name = re.sub("%(.)", lambda token: {"h": host}.get(token[1], token[1]), found["hostname"][0])
    complete["hostname"] = (name.lower(),)
    if "hostkeyalias" in complete:
        complete["hostkeyalias"] = (complete["hostkeyalias"][0].lower(),)
    files = complete["userknownhostsfile"][0].split(" ")
    complete["userknownhostsfile"] = (" ".join(_expanded(word, complete, host, here) for word in files),)
    return complete


def _expanded(value: str, found: dict[str, tuple[str, ...]], host: str, here: Here) -> str:
    """Returns the path of a known_hosts file with `~` expanded, and with the tokens that the settings found so far
    define; other tokens stay."""
    value = here.home + value[1:] if value.startswith("~/") else value
    alias = found.get("hostkeyalias", (host,))[0]
    tokens = {
        "%": "%",
        "h": found["hostname"][0],
        "n": host,
        "k": alias,
        "p": found["port"][0],
        "r": found["user"][0],
        "u": here.user,
        "d": here.home,
    }
    return re.sub("%(.)", lambda token: tokens.get(token[1], token[0]), value)


def _included(name: str, file: Path) -> bool:
    """Returns whether an Include matches any file: one that matches none changes nothing."""
    path = (SYSTEM.parent if file == SYSTEM else Path.home() / ".ssh") / expanded(name)
    return bool(glob(str(path)))  # noqa: PTH207 - Path.glob refuses patterns that ssh and glob(3) take


def _split(text: str) -> list[str] | None:
    """Returns the arguments up to a comment, as argv_split() of OpenSSH's misc.c does. None: a quote is not closed."""
    found: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
            continue
        if text[at] == "#":
            break
        argument, quote = "", ""
        while at < len(text) and (quote or text[at] not in " \t"):
            character, behind = text[at], text[at + 1 : at + 2]
            if character == "\\" and ((behind and behind in "'\"\\") or (not quote and behind == " ")):
                argument, at = argument + behind, at + 1
            elif not quote and character in "'\"":
                quote = character
            elif quote and character == quote:
                quote = ""
            else:
                argument += character
            at += 1
        if quote:
            return None
        found.append(argument)
    return found
