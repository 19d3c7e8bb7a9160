"""Loads the credentials for an API server: from a kubeconfig, or from the pod that fleet runs in.

Credentials expire: token files are rotated, tokens of plugins end. `Session.stale_after` is the time after which they
are loaded again.
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
"""The folder in which a pod finds its token and the certificate authority of its API server:
https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/"""
HOST = "KUBERNETES_SERVICE_HOST"
PORT = "KUBERNETES_SERVICE_PORT"


class CredentialSource(Struct, frozen=True):
    """A source of credentials."""

    kubeconfig: Path | None = None
    """The kubeconfig. None: the service account of the pod that fleet runs in."""
    context: str = ""
    """The context of the kubeconfig; empty: its current one."""
    behind: tuple[Path, ...] = ()
    """Further kubeconfigs, merged after the first as kubectl merges those of KUBECONFIG."""


async def load(source: CredentialSource, now: datetime) -> Session:
    """Loads credentials and returns a session. Raises UsageError for a wrong configuration, AuthenticationError where
    a plugin gives no credentials."""
    if source.kubeconfig is None:
        return of_pod(os.environ, ACCOUNT)
    # Imported late: the loader needs YAML and other modules, which an agent in a pod does not use.
    from fleet.kube.client import loader

    return await loader.load((source.kubeconfig, *source.behind), source.context, now)


def of_pod(environ: Mapping[str, str], account: Path) -> Session:
    """Returns a session with the service account in the folder `account`. Needs an event loop. Raises UsageError where
    there is none."""
    try:
        host, port = environ[HOST], environ[PORT]
        token = (account / "token").read_text().strip()
        authority = (account / "ca.crt").read_text()
    except KeyError as error:
        raise _not_in_pod(f"{error.args[0]} is not set") from None
    except (OSError, ValueError) as error:
        raise _not_in_pod(str(error)) from None
    values = {HOST: host, PORT: port, "its token": token, "its authority's certificate": authority}
    if empty := [name for name, found in values.items() if not found]:
        raise _not_in_pod(f"{' and '.join(empty)} is empty")
    if not port.isdecimal():
        # A Service called kubernetes-service sets the same variable, to an address.
        raise _not_in_pod(f"{PORT} is {port!r}, which is not a port")
    try:
        # Without an authority the certificate store of the computer would be trusted.
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
