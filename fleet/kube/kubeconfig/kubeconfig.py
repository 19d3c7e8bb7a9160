"""One kubeconfig file with the fields that client-go has.

https://pkg.go.dev/k8s.io/client-go@v0.37.2/tools/clientcmd/api/v1. Mistakes in the file are reported before any
connection is tried, without its secrets. Fields that client-go does not know are ignored, as client-go ignores them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from fleet.core.records.errors import UsageError
from fleet.kube.kubeconfig.yaml_document import NotReadError, document

LARGEST = 4 * 2**20
"""The most bytes of a kubeconfig, and of a file that it names."""
EXEC_EXTENSION = "client.authentication.k8s.io/exec"
"""The extension of a cluster that is passed to a credential plugin."""

_WHERE = re.compile(r"(?P<what>.*) - at `\$\.?(?P<where>.*)`", re.DOTALL)
_KINDS = {
    "str": "a text",
    "bool": "true or false",
    "object": "a mapping",
    "array": "a list",
    "int": "a number",
}


class Extension(Struct, frozen=True):
    name: str = ""
    extension: Any = None


class KubeconfigCluster(Struct, frozen=True, rename="kebab"):
    """The address of a server, and how its certificate is verified."""

    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: bytes = b""
    proxy_url: str = ""
    disable_compression: bool = False
    extensions: tuple[Extension, ...] = ()


class Variable(Struct, frozen=True):
    name: str = ""
    value: str = ""


class ExecPlugin(Struct, frozen=True, rename="camel"):
    """A credential plugin: https://kubernetes.io/docs/reference/config-api/client-authentication.v1/"""

    command: str = ""
    args: tuple[str, ...] = ()
    env: tuple[Variable, ...] = ()
    api_version: str = ""
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class AuthProvider(Struct, frozen=True):
    name: str = ""
    config: dict[str, str] = {}


class KubeconfigUser(Struct, frozen=True, rename="kebab"):
    """The credentials of a user, and the user to impersonate."""

    client_certificate: str = ""
    client_certificate_data: bytes = b""
    client_key: str = ""
    client_key_data: bytes = b""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    impersonate: str = msgspec.field(default="", name="as")
    impersonate_uid: str = msgspec.field(default="", name="as-uid")
    impersonate_groups: tuple[str, ...] = msgspec.field(default=(), name="as-groups")
    impersonate_extra: dict[str, tuple[str, ...]] = msgspec.field(default={}, name="as-user-extra")
    username: str = ""
    password: str = ""
    auth_provider: AuthProvider | None = None
    exec: ExecPlugin | None = None

    @property
    def has_certificate(self) -> bool:
        return bool(self.client_certificate or self.client_certificate_data)


class Context(Struct, frozen=True):
    """A pair of cluster and user. The namespace of a context is not read: fleet reads whole clusters."""

    cluster: str = ""
    user: str = ""


class _Cluster(Struct, frozen=True):
    name: str = ""
    cluster: KubeconfigCluster = KubeconfigCluster()


class _User(Struct, frozen=True):
    name: str = ""
    user: KubeconfigUser = KubeconfigUser()


class _Context(Struct, frozen=True):
    name: str = ""
    context: Context = Context()


class _Config(Struct, frozen=True, rename="kebab"):
    kind: str = ""
    api_version: str = msgspec.field(default="", name="apiVersion")
    current_context: str = ""
    clusters: tuple[_Cluster, ...] = ()
    users: tuple[_User, ...] = ()
    contexts: tuple[_Context, ...] = ()


class Kubeconfig(Struct, frozen=True):
    """The entries of one file, by name; paths of files in it are absolute."""

    current: str = ""
    clusters: Mapping[str, KubeconfigCluster] = {}
    users: Mapping[str, KubeconfigUser] = {}
    contexts: Mapping[str, Context] = {}


def parsed(path: Path) -> Kubeconfig:
    """Returns the parsed file. Raises UsageError with the file's name, and the line or the key where it is known."""
    try:
        config = msgspec.convert(_typed(document(_content(path)) or {}), _Config)
    except NotReadError as error:
        raise UsageError(f"{path}{f':{error.line}' if error.line else ''}: not YAML: {error}") from None
    except msgspec.ValidationError as error:
        raise UsageError(f"{path} is not a kubeconfig: {_readable(str(error))}") from None
    if config.kind not in ("", "Config") or config.api_version not in ("", "v1"):
        raise UsageError(
            f"{path} is not a kubeconfig: it is a {config.kind or 'Config'} of {config.api_version or 'v1'}",
            "expected kind Config of apiVersion v1",
        )
    folder = path.absolute().parent
    for cluster in config.clusters:
        _by_name(path, "extensions", [(own.name, own) for own in cluster.cluster.extensions])
    return Kubeconfig(
        config.current_context,
        _by_name(
            path,
            "clusters",
            [(cluster.name, _cluster_in(folder, cluster.cluster)) for cluster in config.clusters],
        ),
        _by_name(path, "users", [(user.name, _user_in(folder, user.user)) for user in config.users]),
        _by_name(path, "contexts", [(context.name, context.context) for context in config.contexts]),
    )


def _content(path: Path) -> bytes:
    try:
        found = start_of(path)
    except FileNotFoundError:
        raise UsageError(f"no kubeconfig at {path}", _suggestion(path)) from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder, not a kubeconfig", _suggestion(path / "config")) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if len(found) > LARGEST:
        raise UsageError(f"{path} has more than {LARGEST >> 20} MiB, so it is not a kubeconfig")
    return found


def start_of(path: Path) -> bytes:
    """Returns at most LARGEST + 1 bytes from the start of a file: a device need not have an end. Raises OSError."""
    with path.open("rb") as file:
        return file.read(LARGEST + 1)


def _suggestion(path: Path) -> str:
    """Returns a suggestion of the file name that the user may have meant."""
    try:
        names = sorted(file.name for file in path.parent.iterdir() if file.is_file())
    except OSError:
        return f"the folder {path.parent} does not exist either"
    return f"{path.parent} contains: {', '.join(names[:10])}" if names else f"{path.parent} is empty"


def _typed(found: Any) -> Any:
    """Returns values as Go's JSON decoder treats them: null is absent, and base64 may contain line ends."""
    if isinstance(found, dict):
        return {key: _field(key, value) for key, value in found.items() if value is not None}
    return [_typed(item) for item in found] if isinstance(found, list) else found


def _field(key: str, value: Any) -> Any:
    if key == "extension":
        return value
    if key.endswith("-data") and isinstance(value, str):
        return value.replace("\n", "").replace("\r", "")
    return _typed(value)


def _readable(error: str) -> str:
    """Returns the message of msgspec in plain English: what was expected where."""
    match = _WHERE.fullmatch(error)
    what, where = (match["what"], match["where"]) if match else (error, "")
    for name, kind in _KINDS.items():
        what = what.replace(f"`{name}`", kind)
    what = "expected base64" if "base64" in what else what[:1].lower() + what[1:]
    return f"{where}: {what}" if where else what


def _by_name(path: Path, key: str, entries: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, entry in entries:
        if name in found:
            raise UsageError(f"{path}: {key} has two entries named {name!r}", "rename or remove one of them")
        found[name] = entry
    return found


def _path_in(folder: Path, name: str) -> str:
    return str(folder / name) if name else ""


def _cluster_in(folder: Path, cluster: KubeconfigCluster) -> KubeconfigCluster:
    return msgspec.structs.replace(
        cluster, certificate_authority=_path_in(folder, cluster.certificate_authority)
    )


def _user_in(folder: Path, user: KubeconfigUser) -> KubeconfigUser:
    plugin = user.exec
    if plugin is not None and "/" in plugin.command:
        # A command without a slash is searched in PATH.
        plugin = msgspec.structs.replace(plugin, command=_path_in(folder, plugin.command))
    return msgspec.structs.replace(
        user,
        client_certificate=_path_in(folder, user.client_certificate),
        client_key=_path_in(folder, user.client_key),
        token_file=_path_in(folder, user.token_file),
        exec=plugin,
    )
