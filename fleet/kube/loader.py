"""Credentials of a kubeconfig, as the official client loads them: files, tokens, and plugins.

That client takes 20 MB, which an agent in a pod has no use for: `credentials` imports this only for a kubeconfig.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException
from kubernetes.aio.config.exec_provider import ExecProvider
from kubernetes.aio.config.kube_config import KubeConfigLoader

from fleet.core.errors import AuthenticationError, UsageError
from fleet.kube import kubeconfig
from fleet.kube.connections import Connections, Wiring
from fleet.kube.session import TOKEN_FILE_SECONDS, Session, identity

PLUGIN_SECONDS = 20.0
"""A plugin that asks a person something finds nobody."""
EARLY_SECONDS = 60.0
"""A token is renewed so long before it expires, or after half of its life, whichever is later."""

_LONG = re.compile(r"[A-Za-z0-9_\-.+/=]{40,}")


async def load(file: Path, context: str, now: datetime) -> Session:
    """Raises UsageError for a wrong configuration, AuthenticationError where a plugin gives no credentials."""
    found = kubeconfig.read(file, context)
    configuration = Configuration()
    with TemporaryDirectory(prefix="fleet-") as folder:
        loader = _Loader(found, Path(folder))
        try:
            await loader.load_and_set(configuration)
        except (ConfigException, TypeError, KeyError, ValueError, OSError) as error:
            words = _without_secrets(str(error))
            raise UsageError(f"{found.path}, context {found.context!r}: {words}") from None
        try:
            tls = _tls(configuration)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise UsageError(f"the certificates of {found.path} cannot be used: {error}") from None
        wiring = Wiring(
            tls,
            configuration.tls_server_name or "",
            configuration.proxy or "",
            configuration.proxy_headers or {},
        )
        return Session(
            connections=Connections(wiring),
            host=str(configuration.host).rstrip("/"),
            authorization=await configuration.get_api_key_with_prefix("BearerToken") or "",
            stale_after=loader.stale_after(now),
            identity=_identity(configuration),
        )


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


def _tls(configuration: Configuration) -> ssl.SSLContext:
    """Raises SSLError, OSError or ValueError for certificates that cannot be used."""
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _identity(configuration: Configuration) -> str:
    files = (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
    told = (configuration.host, configuration.verify_ssl, configuration.tls_server_name, configuration.proxy)
    return identity(*told, *(Path(file).read_bytes() if file else b"" for file in files))


def _without_secrets(words: str) -> str:
    """Long runs of letters and digits may be tokens or keys."""
    return _LONG.sub("…", words)[:400]
