"""Finds the proxy for a server in the environment, by the rules of Go's programs such as kubectl.

https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config. The rules differ from those of aiohttp and curl: no
ALL_PROXY, no ~/.netrc, networks in NO_PROXY, and never a proxy for this computer itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from fleet.core.records.errors import UsageError
from fleet.kube.kubeconfig.contexts import parts_of

SCHEMES = ("http", "https", "socks5", "socks5h")
_PORTS = {"http": 80, "https": 443}

IpAddress = IPv4Address | IPv6Address


def of_environment(server: str, environ: Mapping[str, str]) -> str:
    """Returns the address of the proxy for this server; empty: none. Raises UsageError for a proxy that cannot be
    used."""
    parts = urlsplit(server)
    name = f"{parts.scheme}_proxy"
    proxy = environ.get(name.upper()) or environ.get(name) or ""
    if not proxy or _is_direct(parts, environ.get("NO_PROXY") or environ.get("no_proxy") or ""):
        return ""
    address = proxy if "://" in proxy else f"http://{proxy}"
    if parts_of(address, SCHEMES) is None:
        # The variable's value may contain a password.
        raise UsageError(
            f"the environment variable {name.upper()} is not a usable proxy",
            "expected http://, https:// or socks5://HOST:PORT",
        )
    return address


def _is_direct(parts: SplitResult, exceptions: str) -> bool:
    host = (parts.hostname or "").lower()
    port = parts.port or _PORTS[parts.scheme]
    own = _address(host)
    if host == "localhost" or (own is not None and own.is_loopback):
        return True
    entries = [part.strip().lower() for part in exceptions.split(",")]
    return "*" in entries or any(entry and _excepts(entry, host, port, own) for entry in entries)


def _excepts(entry: str, host: str, port: int, own: IpAddress | None) -> bool:
    """Returns whether one entry of NO_PROXY (a network, an address or a name, the latter two perhaps with a port)
    matches the server."""
    if "/" in entry:
        try:
            return own is not None and own in ip_network(entry, strict=False)
        except ValueError:
            return False
    name, wanted = _split(entry)
    if wanted and wanted != str(port):
        return False
    if own is not None:
        return _address(name) == own
    name = name.removeprefix("*")
    if name.startswith("."):
        return host.endswith(name)
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _split(entry: str) -> tuple[str, str]:
    """Returns name or address, and port; an empty port means any."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    if entry.count(":") == 1:
        name, _, port = entry.partition(":")
        return name, port
    return entry, ""


def _address(host: str) -> IpAddress | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
