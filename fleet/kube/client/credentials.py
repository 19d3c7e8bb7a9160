"""Who fleet is to an API server: as a kubeconfig says, or as the pod that fleet runs in.

Credentials go old: token files are rotated, plugins' tokens expire. `Session.stale_after` says when to load again.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from fleet.core.records.errors import UsageError
from fleet.kube.client.connections import ConnectionOptions, Connections
from fleet.kube.client.session import TOKEN_FILE_SECONDS, Session, identity
from fleet.kube.kubeconfig import proxies

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token and the authority of its API server:
https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/"""
HOST = "KUBERNETES_SERVICE_HOST"
PORT = "KUBERNETES_SERVICE_PORT"


class CredentialSource(Struct, frozen=True):
    """Where credentials come from."""

    kubeconfig: Path | None = None
    """None: from the pod that fleet runs in."""
    context: str = ""
    """Empty: the current one of the file."""
    behind: tuple[Path, ...] = ()
    """Further files, merged behind the first as kubectl merges those of KUBECONFIG."""


async def load(source: CredentialSource, now: datetime) -> Session:
    """Raises UsageError for a wrong configuration, AuthenticationError where a plugin gives no credentials."""
    if source.kubeconfig is None:
        return of_pod(os.environ, ACCOUNT)
    # YAML and its kin, which an agent in a pod has no use for.
    from fleet.kube.client import loader

    return await loader.load((source.kubeconfig, *source.behind), source.context, now)


def of_pod(environ: Mapping[str, str], account: Path) -> Session:
    """Returns the service account whose folder is `account`. Needs an event loop. Raises UsageError where there is
    none."""
    try:
        host, port = environ[HOST], environ[PORT]
        token = (account / "token").read_text().strip()
        authority = (account / "ca.crt").read_text()
    except KeyError as error:
        raise _not_in_pod(f"{error.args[0]} is not set") from None
    except (OSError, ValueError) as error:
        raise _not_in_pod(str(error)) from None
    told = {HOST: host, PORT: port, "its token": token, "its authority's certificate": authority}
    if empty := [name for name, found in told.items() if not found]:
        raise _not_in_pod(f"{' and '.join(empty)} is empty")
    if not port.isdecimal():
        # A Service called kubernetes-service sets the same variable, to an address.
        raise _not_in_pod(f"{PORT} is {port!r} and no port")
    try:
        # Without a word about an authority, that of the computer would be trusted.
        context = ssl.create_default_context(cadata=authority)
    except ssl.SSLError as error:
        raise UsageError(f"the certificate of {account / 'ca.crt'} cannot be used: {error}") from None
    address = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return Session(
        connections=Connections(ConnectionOptions(context, proxy=proxies.of_environment(address, environ))),
        host=address,
        authorization=f"Bearer {token}",
        stale_after=TOKEN_FILE_SECONDS,
        identity=identity(address, authority),
    )


def _not_in_pod(why: str) -> UsageError:
    return UsageError(f"not in a pod of a cluster: {why}", "name a kubeconfig")
