"""Who fleet is to an API server: the official client loads it from a kubeconfig or from the pod fleet runs in.

Credentials go old: token files are rotated, plugins' tokens expire. `Session.stale_after` says when to load again.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import ConfigException, load_incluster_config
from kubernetes.aio.config.exec_provider import ExecProvider
from kubernetes.aio.config.kube_config import KubeConfigLoader
from msgspec import Struct

from fleet.core.errors import AuthenticationError, UsageError
from fleet.kube import kubeconfig

TOKEN_FILE_SECONDS = 60.0
"""How old a token from a file may be: kubelets rotate them long before they expire."""
PLUGIN_SECONDS = 20.0
"""A plugin that asks a person something finds nobody."""
EARLY_SECONDS = 60.0
"""A token is renewed so long before it expires, or after half of its life, whichever is later."""

_LONG = re.compile(r"[A-Za-z0-9_\-.+/=]{40,}")


class Source(Struct, frozen=True):
    """Where credentials come from."""

    kubeconfig: Path | None = None
    """None: from the pod that fleet runs in."""
    context: str = ""
    """Empty: the current one of the file."""


class Session(Struct, frozen=True):
    """Loaded credentials. `identity` is the same where the same connections can be used with another token."""

    rest: Any
    """The official client's RESTClientObject."""
    host: str
    authorization: str
    stale_after: float | None
    """Seconds from when it was loaded; None: until the server refuses it."""
    identity: str


async def load(source: Source, now: datetime) -> Session:
    """Raises UsageError for a wrong configuration, AuthenticationError where a plugin gives no credentials."""
    configuration = Configuration()
    if source.kubeconfig is None:
        try:
            load_incluster_config(client_configuration=configuration)
        except ConfigException as error:
            raise UsageError(f"not in a pod of a cluster: {error}", "name a kubeconfig") from None
        return await _session(configuration, "the pod's service account", TOKEN_FILE_SECONDS)
    found = kubeconfig.read(source.kubeconfig, source.context)
    with TemporaryDirectory(prefix="fleet-") as folder:
        loader = _Loader(found, Path(folder))
        try:
            await loader.load_and_set(configuration)
        except (ConfigException, TypeError, KeyError, ValueError, OSError) as error:
            words = _without_secrets(str(error))
            raise UsageError(f"{found.path}, context {found.context!r}: {words}") from None
        return await _session(configuration, str(found.path), loader.stale_after(now))


class _Loader(KubeConfigLoader):  # type: ignore[misc]
    """The library's, except that it says why a plugin failed instead of going on without credentials."""

    def __init__(self, found: kubeconfig.Kubeconfig, folder: Path) -> None:
        base = str(found.path.absolute().parent)
        super().__init__(config_dict=found.for_library(folder), config_base_path=base)
        self._found = found
        self._folder = folder
        self._expires: datetime | None = None

    async def load_from_exec_plugin(self) -> bool:
        command = self._found.plugin
        try:
            async with asyncio.timeout(PLUGIN_SECONDS):
                status = await ExecProvider(self._user["exec"]).run()
        except FileNotFoundError:
            hint = "install it, or correct exec.command of the user"
            raise AuthenticationError(f"credential plugin {command!r} is not on this machine", hint) from None
        except TimeoutError:
            raise AuthenticationError(f"credential plugin {command!r} did not end") from None
        except (ConfigException, OSError) as error:
            words = _without_secrets(str(error))
            raise AuthenticationError(f"credential plugin {command!r} failed: {words}") from None
        self._take(status, command)
        return True

    def stale_after(self, now: datetime) -> float | None:
        if self._expires is not None:
            life = (self._expires - now).total_seconds()
            return max(life - EARLY_SECONDS, life / 2, 1.0)
        return TOKEN_FILE_SECONDS if "tokenFile" in self._found.user else None

    def _take(self, status: Mapping[str, Any], command: str) -> None:
        if status.get("expirationTimestamp"):
            self._expires = datetime.fromisoformat(str(status["expirationTimestamp"]))
            if self._expires.tzinfo is None:
                self._expires = self._expires.replace(tzinfo=UTC)
        if status.get("clientCertificateData") and status.get("clientKeyData"):
            self.cert_file = self._written("plugin-certificate", status["clientCertificateData"])
            self.key_file = self._written("plugin-key", status["clientKeyData"])
        elif not status.get("token"):
            raise AuthenticationError(f"credential plugin {command!r} gave neither token nor certificate")
        if status.get("token"):
            self.token = f"Bearer {status['token']}"

    def _written(self, name: str, content: object) -> str:
        file = self._folder / name
        file.touch(mode=0o600)
        file.write_text(str(content))
        return str(file)


async def _session(configuration: Configuration, source: str, stale_after: float | None) -> Session:
    host = str(configuration.host)
    try:
        rest = RESTClientObject(configuration)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise UsageError(f"the certificates of {source} cannot be used: {error}") from None
    return Session(
        rest=rest,
        host=host.rstrip("/"),
        authorization=await configuration.get_api_key_with_prefix("BearerToken") or "",
        stale_after=stale_after,
        identity=_identity(configuration),
    )


def _identity(configuration: Configuration) -> str:
    """A digest of all that a connection depends on."""
    digest = hashlib.sha256()
    for file in (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file):
        digest.update(Path(file).read_bytes() if file else b"")
        digest.update(b"\0")
    told = (configuration.host, configuration.verify_ssl, configuration.tls_server_name, configuration.proxy)
    digest.update(repr(told).encode())
    return digest.hexdigest()


def shown(host: str) -> str:
    """A server's address as it may be told to people: without a password that somebody wrote into it."""
    parts = urlsplit(host)
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{name}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _without_secrets(words: str) -> str:
    """Long runs of letters and digits may be tokens or keys."""
    return _LONG.sub("…", words)[:400]
