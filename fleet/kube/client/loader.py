"""Makes a session from a kubeconfig: the user's credentials, and how the server's certificate is verified.

The same rules as in client-go: https://pkg.go.dev/k8s.io/client-go/tools/clientcmd#DirectClientConfig.ClientConfig.
"""

from __future__ import annotations

import os
import posixpath
import re
import ssl
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import msgspec
from msgspec import Struct

from fleet.core.records.errors import UsageError
from fleet.kube.client import plugin
from fleet.kube.client.connections import ConnectionOptions, Connections
from fleet.kube.client.oidc import id_token
from fleet.kube.client.session import TOKEN_FILE_SECONDS, Session, identity
from fleet.kube.kubeconfig import contexts, proxies
from fleet.kube.kubeconfig.contexts import SelectedContext
from fleet.kube.kubeconfig.kubeconfig import (
    EXEC_EXTENSION,
    LARGEST,
    KubeconfigCluster,
    KubeconfigUser,
    start_of,
)

EARLY_SECONDS = 60.0
"""Seconds before its expiry at which a token is renewed; or after half of its lifetime, whichever is later."""
CERTIFICATE_SECONDS = 300.0
"""Seconds after which a certificate from a file is read again, as in client-go: some are renewed every few hours."""

_HEADER_NAME = frozenset("!#$&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class Proof(Struct, frozen=True):
    """The credentials of a session."""

    authorization: str = ""
    certificate: bytes = b""
    """The client certificate in PEM; the key is PEM too."""
    key: bytes = b""
    stale_after: float | None = None
    """Seconds until the credentials are loaded again; None: when the server refuses them."""


async def load(files: Sequence[Path], context: str, now: datetime) -> Session:
    """Loads the context and returns a session. Raises UsageError for a wrong configuration, AuthenticationError where
    a plugin gives no credentials."""
    chosen = contexts.read(files, context)
    cluster = chosen.cluster
    try:
        authority = cluster.certificate_authority_data or _content(cluster.certificate_authority)
        proof = await _proof(chosen, authority, now)
        headers = _headers(chosen)
        host = _host(cluster.server)
        proxy = cluster.proxy_url or proxies.of_environment(host, os.environ)
        tls = _tls(cluster, authority, proof)
    except UsageError as error:
        raise UsageError(f"{chosen.where}, context {chosen.context!r}: {error.message}", error.hint) from None
    parts = (host, cluster.insecure_skip_tls_verify, cluster.tls_server_name, proxy)
    return Session(
        connections=Connections(ConnectionOptions(tls, cluster.tls_server_name, proxy)),
        host=host,
        authorization=proof.authorization,
        stale_after=proof.stale_after,
        identity=identity(*parts, authority, proof.certificate, proof.key),
        headers=headers,
    )


def _host(server: str) -> str:
    """Returns the server's address without its query, and without user and password, which are sent as a header. The
    path is cleaned as Go's path.Join does."""
    parts = urlsplit(server)
    path = posixpath.normpath("/" + unquote(parts.path).lstrip("/"))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{quote(path)}".rstrip("/")


async def _proof(chosen: SelectedContext, authority: bytes, now: datetime) -> Proof:
    """Returns the credentials. Those in the server's address take precedence over all others, as in Go's http.Client,
    but do not count as a user."""
    proof = await _of_user(chosen, authority, now) if chosen.secure else Proof()
    parts = urlsplit(chosen.cluster.server)
    if parts.username or parts.password:
        named = _basic(unquote(parts.username or ""), unquote(parts.password or ""))
        proof = msgspec.structs.replace(proof, authorization=named)
    _refuse_control("the token, username or password", proof.authorization)
    return proof


async def _of_user(chosen: SelectedContext, authority: bytes, now: datetime) -> Proof:
    """Returns a token, a username, an id-token or a plugin's token, in this order of precedence, and a client
    certificate with it."""
    user = chosen.user
    own = _with_certificate(user, authority_file=chosen.cluster.certificate_authority)
    if user.token or user.token_file:
        seconds = TOKEN_FILE_SECONDS if user.token_file else own.stale_after
        return msgspec.structs.replace(own, authorization=f"Bearer {_token(user)}", stale_after=seconds)
    if user.username:
        return msgspec.structs.replace(own, authorization=_basic(user.username, user.password))
    if user.auth_provider is not None:
        token, expires = id_token(user.auth_provider.config, now)
        return msgspec.structs.replace(
            own, authorization=f"Bearer {token}", stale_after=_stale_after(expires, now)
        )
    if user.exec is None or own.certificate:
        return own
    cluster = _cluster_info(chosen.cluster, authority) if user.exec.provide_cluster_info else None
    credential = await plugin.run(user.exec, cluster)
    return Proof(
        f"Bearer {credential.token}" if credential.token else "",
        credential.client_certificate_data.encode(),
        credential.client_key_data.encode(),
        _stale_after(credential.expiration_timestamp, now) if credential.expiration_timestamp else None,
    )


def _with_certificate(user: KubeconfigUser, authority_file: str) -> Proof:
    if not user.has_certificate:
        return Proof(stale_after=CERTIFICATE_SECONDS if authority_file else None)
    return Proof(
        certificate=user.client_certificate_data or _content(user.client_certificate),
        key=user.client_key_data or _content(user.client_key),
        stale_after=CERTIFICATE_SECONDS if user.client_certificate or authority_file else None,
    )


def _token(user: KubeconfigUser) -> str:
    """Returns the token of tokenFile, which may be rotated; the inline token where the file cannot be read."""
    if not user.token_file:
        return user.token
    found, wrong = "", f"tokenFile {user.token_file} is empty"
    try:
        found = _content(user.token_file).decode().strip()
    except UsageError as error:
        wrong = f"tokenFile {error.message}"
    except UnicodeDecodeError:
        wrong = f"tokenFile {user.token_file} is not text"
    if not found and not user.token:
        raise UsageError(wrong)
    return found or user.token


def _basic(username: str, password: str) -> str:
    return f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"


def _stale_after(expires: datetime, now: datetime) -> float:
    life = (expires - now).total_seconds()
    return max(life - EARLY_SECONDS, life / 2, 1.0)


def _cluster_info(cluster: KubeconfigCluster, authority: bytes) -> Mapping[str, Any]:
    """Returns `spec.cluster` of the ExecCredential that a credential plugin receives."""
    extensions = {extension.name: extension.extension for extension in cluster.extensions}
    fields = {
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": authority,
        "proxy-url": cluster.proxy_url,
        "disable-compression": cluster.disable_compression,
    }
    present = {name: value for name, value in fields.items() if value}
    return {"server": cluster.server, **present, "config": extensions.get(EXEC_EXTENSION)}


def _headers(chosen: SelectedContext) -> tuple[tuple[str, str], ...]:
    user = chosen.user
    found = [("Accept-Encoding", "identity")] if chosen.cluster.disable_compression else []
    if user.impersonate:
        found.append(("Impersonate-User", user.impersonate))
        if user.impersonate_uid:
            found.append(("Impersonate-Uid", user.impersonate_uid))
        found += [("Impersonate-Group", group) for group in user.impersonate_groups]
        for key, values in user.impersonate_extra.items():
            found += [(f"Impersonate-Extra-{_escaped(key)}", value) for value in values]
    for name, value in found:
        _refuse_control(name, value)
    return tuple(found)


def _escaped(key: str) -> str:
    """Percent-encodes characters that are not allowed in the name of a header:
    https://www.rfc-editor.org/rfc/rfc9110#name-tokens."""
    return "".join(chr(byte) if chr(byte) in _HEADER_NAME else f"%{byte:02X}" for byte in key.encode())


def _refuse_control(name: str, value: str) -> None:
    """Raises UsageError for a value that no header can hold:
    https://www.rfc-editor.org/rfc/rfc9110#name-field-values."""
    if any((character < " " and character != "\t") or character == "\x7f" for character in value):
        raise UsageError(f"{name} contains a line end or another control character")


def _content(name: str) -> bytes:
    if not name:
        return b""
    try:
        found = start_of(Path(name))
    except (OSError, ValueError) as error:
        raise UsageError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(found) > LARGEST:
        raise UsageError(f"{name} has more than {LARGEST >> 20} MiB")
    return found


def _tls(cluster: KubeconfigCluster, authority: bytes, proof: Proof) -> ssl.SSLContext:
    """Returns a TLS context that verifies as Go does: a chain may end at any certificate of the authority's file, and
    only alternative names count. Raises UsageError for certificates that cannot be used."""
    has_authority = bool(cluster.certificate_authority or cluster.certificate_authority_data)
    # The text between the certificates may contain bytes outside ASCII.
    trusted = "\n".join(_CERTIFICATE.findall(authority.decode("latin-1")))
    if has_authority and not trusted:
        raise UsageError("certificate-authority contains no certificate")
    try:
        context = ssl.create_default_context(cadata=trusted or None)
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(f"certificate-authority cannot be used: {_reason(error)}") from None
    context.verify_flags = (context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN) & ~ssl.VERIFY_X509_STRICT
    context.hostname_checks_common_name = False
    if cluster.insecure_skip_tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if proof.certificate:
        _load_pair(context, proof)
    return context


def _load_pair(context: ssl.SSLContext, proof: Proof) -> None:
    """Loads the client certificate and key into the context; OpenSSL reads them from files only. Raises UsageError
    where they cannot be used."""
    with TemporaryDirectory(prefix="fleet-") as folder:
        files = Path(folder) / "certificate", Path(folder) / "key"
        for file, content in zip(files, (proof.certificate, proof.key), strict=True):
            file.touch(mode=0o600)
            file.write_bytes(content)
        try:
            context.load_cert_chain(*files, password=_no_password)
        except (ssl.SSLError, ValueError) as error:
            raise UsageError(f"the client's certificate and key cannot be used: {_reason(error)}") from None


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error)
