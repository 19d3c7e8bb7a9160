"""Selects the context that is used: from one kubeconfig, or from several that are merged as client-go merges those of
KUBECONFIG.

https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from fleet.core.records.errors import UsageError
from fleet.kube.kubeconfig.kubeconfig import ExecPlugin, Kubeconfig, KubeconfigCluster, KubeconfigUser, parsed

PROXIES = ("http", "https", "socks5")
PLUGIN_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_OPTIONAL_MODE = "client.authentication.k8s.io/v1beta1"
"""The plugin version whose interactiveMode is IfAvailable where none is given."""
_REMOVED = {
    "azure": "https://github.com/Azure/kubelogin",
    "gcp": "https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl#install_plugin",
}
"""Auth-providers that Kubernetes 1.26 removed, and the credential plugins that replaced them."""


class SelectedContext(Struct, frozen=True):
    """A context that can be used, with its cluster and user."""

    where: str
    """The file or files, in the form that may be shown to users."""
    context: str
    cluster: KubeconfigCluster
    user: KubeconfigUser

    @property
    def secure(self) -> bool:
        """Returns whether credentials may be sent. Over plain HTTP none are sent:
        https://pkg.go.dev/k8s.io/client-go/rest#IsConfigTransportTLS."""
        return parts_of(self.cluster.server, ("https",)) is not None


def of_environment(environ: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Returns the absolute paths of the files that kubectl reads by default: those of KUBECONFIG, or
    ~/.kube/config."""
    named = [part for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return tuple(Path(path).absolute() for path in dict.fromkeys(named)) or (home / ".kube" / "config",)


def read(files: Sequence[Path], context: str = "") -> SelectedContext:
    """Returns the named context, or the current one.

    Missing files are skipped; at least one file must exist. Raises UsageError with every reason why the context cannot
    be used.
    """
    return _chosen(" and ".join(map(str, files)), read_all(files), context)


def read_all(files: Sequence[Path]) -> Kubeconfig:
    """Returns the files merged as kubectl does. Missing files are skipped; at least one file must exist. Raises
    UsageError for a file that is no kubeconfig."""
    there = [file for file in files if not _missing(file)] if len(files) > 1 else list(files)
    if not there:
        raise UsageError(f"no kubeconfig at {' and '.join(map(str, files))}")
    return merged([parsed(file) for file in there])


def _missing(file: Path) -> bool:
    try:
        file.stat()
    except FileNotFoundError:
        return True
    except OSError:
        pass  # The file exists, and reading it reports what is wrong.
    return False


def merged(found: Sequence[Kubeconfig]) -> Kubeconfig:
    """Merges kubeconfigs as kubectl does: the first file that has an entry of a name, or a current context, determines
    it; entries are never mixed."""
    result = Kubeconfig()
    for each in found:
        result = Kubeconfig(
            result.current or each.current,
            {**each.clusters, **result.clusters},
            {**each.users, **result.users},
            {**each.contexts, **result.contexts},
        )
    return result


def _chosen(where: str, found: Kubeconfig, context: str) -> SelectedContext:
    name = context or found.current
    there = _known_names("contexts", found.contexts) if found.contexts else "it has no contexts"
    if not name:
        raise UsageError(f"{where} has no current context", f"name one with --context; {there}")
    if name not in found.contexts:
        raise UsageError(f"{where} has no context {name!r}", there)
    used = found.contexts[name]
    if used.cluster not in found.clusters:
        raise UsageError(
            f"{where}: context {name!r} refers to cluster {used.cluster!r}, which does not exist",
            _known_names("clusters", found.clusters),
        )
    if used.user and used.user not in found.users:
        raise UsageError(
            f"{where}: context {name!r} refers to user {used.user!r}, which does not exist",
            _known_names("users", found.users),
        )
    chosen = SelectedContext(
        where, name, found.clusters[used.cluster], found.users.get(used.user, KubeconfigUser())
    )
    if wrong := (*_wrong_cluster(chosen.cluster, chosen.secure), *_wrong_user(chosen.user, chosen.secure)):
        raise UsageError(f"{where}, context {name!r}: {'; '.join(wrong)}")
    return chosen


def _known_names(kind: str, names: Mapping[str, object]) -> str:
    return f"{kind} there: {', '.join(sorted(names)) or 'none'}"


def parts_of(address: str, schemes: Sequence[str]) -> SplitResult | None:
    """Returns the parts of an address; None for a text that is not an address of one of the schemes."""
    try:
        parts = urlsplit(address)
        good = parts.scheme.lower() in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if good and address.isprintable() and " " not in address else None


def _wrong_cluster(cluster: KubeconfigCluster, secure: bool) -> list[str]:
    wrong = []
    if parts_of(cluster.server, ("http", "https")) is None:
        wrong.append("the cluster has no usable server (expected https://HOST:PORT)")
    if cluster.proxy_url and parts_of(cluster.proxy_url, PROXIES) is None:
        wrong.append("the cluster has no usable proxy-url (expected http://, https:// or socks5://HOST:PORT)")
    if cluster.certificate_authority and cluster.certificate_authority_data:
        wrong.append("certificate-authority and certificate-authority-data are both given (keep one)")
    authority = cluster.certificate_authority or cluster.certificate_authority_data
    if secure and cluster.insecure_skip_tls_verify and authority:
        wrong.append("certificate-authority and insecure-skip-tls-verify contradict each other")
    return wrong + _unreadable("certificate-authority", cluster.certificate_authority)


def _wrong_user(user: KubeconfigUser, secure: bool) -> list[str]:
    wrong = _wrong_certificate(user)
    if (user.token and (user.username or user.password)) or (secure and user.token_file and user.username):
        wrong.append("the user has a token and a username or password (keep one)")
    if not user.impersonate and (user.impersonate_uid or user.impersonate_groups or user.impersonate_extra):
        wrong.append("as-uid, as-groups or as-user-extra without as: there is no user to impersonate")
    if user.exec is not None:
        wrong += _wrong_plugin(user.exec)
    if user.exec is not None and user.auth_provider is not None:
        wrong.append("the user has an exec plugin and an auth-provider (keep the plugin)")
    elif user.auth_provider is not None and secure:
        wrong += _wrong_provider(user.auth_provider.name)
    if secure and not _identified(user):
        wrong.append(
            "the user has no credentials (kubectl would ask for a username and a password; "
            "give a client-certificate, a token or an exec plugin)"
        )
    return wrong


def _identified(user: KubeconfigUser) -> bool:
    return bool(
        user.has_certificate
        or user.token
        or user.token_file
        or user.username
        or user.exec is not None
        or user.auth_provider is not None
    )


def _wrong_certificate(user: KubeconfigUser) -> list[str]:
    if not user.has_certificate:
        return []
    wrong = []
    if user.client_certificate and user.client_certificate_data:
        wrong.append("client-certificate and client-certificate-data are both given (keep one)")
    if user.client_key and user.client_key_data:
        wrong.append("client-key and client-key-data are both given (keep one)")
    if not user.client_key and not user.client_key_data:
        wrong.append("client-certificate has no client-key or client-key-data")
    wrong += _unreadable("client-certificate", user.client_certificate)
    return wrong + _unreadable("client-key", user.client_key)


def _unreadable(key: str, name: str) -> list[str]:
    if not name:
        return []
    try:
        with Path(name).open("rb"):
            return []
    except (OSError, ValueError) as error:
        return [f"{key} {name} cannot be read: {getattr(error, 'strerror', None) or 'no file name'}"]


def _wrong_plugin(plugin: ExecPlugin) -> list[str]:
    wrong = []
    if not plugin.command:
        wrong.append("exec names no command")
    if plugin.api_version not in PLUGIN_VERSIONS:
        wrong.append(
            f"exec.apiVersion {plugin.api_version!r} is not known (expected {' or '.join(PLUGIN_VERSIONS)})"
        )
    if any(not variable.name for variable in plugin.env):
        wrong.append("exec.env has a variable without a name")
    if plugin.interactive_mode == "Always":
        wrong.append(
            "exec.interactiveMode is Always, and fleet cannot prompt (expected Never or IfAvailable)"
        )
    elif plugin.interactive_mode not in ("Never", "IfAvailable") and (
        plugin.interactive_mode or plugin.api_version != _OPTIONAL_MODE
    ):
        wrong.append(
            f"exec.interactiveMode {plugin.interactive_mode!r} is not known (expected Never or IfAvailable)"
        )
    return wrong


def _wrong_provider(name: str) -> list[str]:
    if name in _REMOVED:
        return [f"auth-provider {name!r} was removed from Kubernetes 1.26 (use the plugin {_REMOVED[name]})"]
    return [] if name == "oidc" else [f"auth-provider {name!r} is not known (use an exec plugin)"]
