"""The lab's Kubernetes objects through the official client. Its import takes a second, so readiness is checked by
`control_plane.api`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fleet.lab.control_plane.certificates import Certificates
from fleet.lab.errors import LabError

SECONDS = 10.0
"""Seconds that the API server may take to answer."""
AT_A_TIME = 8
"""The number of connections that are kept open."""


def core_api(server: str, certificates: Certificates) -> Any:
    """Returns a `kubernetes.client.CoreV1Api` of the lab's administrator, for several threads."""
    from kubernetes import client

    configuration = client.Configuration(host=server)
    configuration.ssl_ca_cert = str(certificates.authority)
    configuration.cert_file = str(certificates.admin.certificate)
    configuration.key_file = str(certificates.admin.key)
    configuration.connection_pool_maxsize = AT_A_TIME
    # The lab is on this computer, whatever HTTPS_PROXY is set to.
    configuration.proxy = None
    return client.CoreV1Api(client.ApiClient(configuration))


@contextmanager
def errors_of_lab(message: str) -> Iterator[None]:
    """Raises LabError with `message` and the reason, in place of the client's errors."""
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        raise LabError(f"{message}: {error.body or error.reason}") from error
    except (HTTPError, OSError) as error:
        raise LabError(f"{message}: the lab's API server did not answer: {error}") from error
