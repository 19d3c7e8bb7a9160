"""Runs credential plugins of a kubeconfig as client-go does, without a terminal.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from fleet.core.records.errors import AuthenticationError
from fleet.core.text.environment import for_others
from fleet.kube.kubeconfig.kubeconfig import ExecPlugin
from fleet.kube.kubeconfig.yaml_document import NotReadError, document
from fleet.kube.objects.errors import one_line
from fleet.system import programs
from fleet.system.programs import FinishedProgram, first

PLUGIN_SECONDS = 20.0
"""Seconds that a plugin may run. A plugin that prompts the user gets no answer, because it has no terminal."""
LARGEST = 2**20
"""The most bytes that a plugin may print: a token and a chain of certificates have some thousand."""
INFO = "KUBERNETES_EXEC_INFO"

_LONG = re.compile(r"[A-Za-z0-9_\-.+/=]{40,}")


class PluginCredential(Struct, frozen=True, rename="camel"):
    """The output of a plugin: the status of an ExecCredential."""

    token: str = ""
    client_certificate_data: str = ""
    """The client certificate in PEM; the key is PEM too."""
    client_key_data: str = ""
    expiration_timestamp: Annotated[datetime, Meta(tz=True)] | None = None


class _Credential(Struct, frozen=True, rename="camel"):
    kind: str = ""
    api_version: str = ""
    status: PluginCredential | None = None


async def run(plugin: ExecPlugin, cluster: Mapping[str, Any] | None) -> PluginCredential:
    """Runs a credential plugin and returns its credentials. `cluster` is `spec.cluster` of the ExecCredential that the
    plugin receives; None: it receives none. Raises AuthenticationError."""
    spec = {"interactive": False} if cluster is None else {"cluster": cluster, "interactive": False}
    info = {"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec}
    environ = for_others(os.environ) | {variable.name: variable.value for variable in plugin.env}
    environ[INFO] = msgspec.json.encode(info).decode()
    name = f"credential plugin {plugin.command!r}"
    ended = await _output(name, plugin, environ)
    if ended.code != 0:
        printed = without_secrets(one_line(ended.err.decode(errors="replace")))
        raise AuthenticationError(
            f"{name} failed with exit code {ended.code}: {printed or 'it printed nothing'}"
        )
    # Output that is not JSON is parsed as YAML, which may take seconds; a thread keeps the event loop free.
    return await asyncio.to_thread(_credential_of, name, plugin.api_version, ended.out)


async def _output(name: str, plugin: ExecPlugin, environ: Mapping[str, str]) -> FinishedProgram:
    """Returns the beginning of the plugin's output. No process that the plugin has started is left when it has
    ended."""
    command = shutil.which(str(Path(plugin.command)))
    if command is None or not Path(command).is_absolute():
        hint = one_line(plugin.install_hint) or "install it, or correct exec.command of the user"
        raise AuthenticationError(f"{name} is not on this machine", hint)
    try:
        ended = await programs.run((command, *plugin.args), environ, PLUGIN_SECONDS, first(LARGEST + 1))
    except TimeoutError:
        raise AuthenticationError(f"{name} did not end within {PLUGIN_SECONDS:.0f} s") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "an argument or variable contains a zero byte"
        raise AuthenticationError(f"{name} cannot be started: {why}") from None
    if len(ended.out) > LARGEST:
        raise AuthenticationError(f"{name} printed more than {LARGEST >> 20} MiB")
    return ended


def _credential_of(name: str, version: str, out: bytes) -> PluginCredential:
    try:
        found = msgspec.convert(_without_nulls(document(out)), _Credential)
    except (NotReadError, msgspec.ValidationError):
        raise AuthenticationError(f"{name} printed no ExecCredential of {version}") from None
    if found.kind not in ("", "ExecCredential") or found.api_version != version:
        kind = f"{found.kind or 'no kind'} of {found.api_version or 'no apiVersion'}"
        raise AuthenticationError(f"{name} printed {one_line(kind, 100)}, not ExecCredential of {version}")
    credential = found.status or PluginCredential()
    if bool(credential.client_certificate_data) != bool(credential.client_key_data):
        raise AuthenticationError(f"{name} gave a certificate or its key, not both")
    if credential.expiration_timestamp is not None and credential.expiration_timestamp.year == 1:
        # Go's zero time means that the credential does not expire.
        credential = msgspec.structs.replace(credential, expiration_timestamp=None)
    if not credential.token and not credential.client_certificate_data:
        raise AuthenticationError(f"{name} gave neither token nor certificate")
    return credential


def _without_nulls(found: Any) -> Any:
    if not isinstance(found, dict):
        return found
    return {key: _without_nulls(value) for key, value in found.items() if value is not None}


def without_secrets(text: str) -> str:
    """Returns the text without long sequences of letters and digits, which may be tokens or keys."""
    return _LONG.sub("…", text)[:400]
