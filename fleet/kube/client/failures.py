"""The errors of the core that correspond to failures of the network."""

from __future__ import annotations

import ssl

import aiohttp

from fleet.core.records.errors import UnreachableError


def unreachable(host: str, error: BaseException, seconds: float) -> UnreachableError:
    """Returns the error with the cause and remedy of a failed connection."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return UnreachableError(
                f"the certificate of {host} is not trusted: {_reason(error)}",
                "check certificate-authority and server in the kubeconfig",
            )
        case aiohttp.ClientConnectorDNSError() | UnicodeError():
            return UnreachableError(
                f"the name in {host} cannot be resolved", "check server and proxy-url in the kubeconfig"
            )
        case TimeoutError():
            return UnreachableError(f"{host} did not answer within {seconds:.0f} s")
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ConnectionRefusedError):
            return UnreachableError(f"{host} refused the connection: nothing listens on it")
        case aiohttp.ClientHttpProxyError():
            return UnreachableError(
                f"the proxy for {host} answers {error.status}",
                "check proxy-url in the kubeconfig, or HTTPS_PROXY and NO_PROXY of the environment",
            )
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | ConnectionResetError():
            return UnreachableError(f"{host} closed the connection")
        case OSError() if error.strerror:
            return UnreachableError(f"{host} cannot be reached: {error.strerror}")
    return UnreachableError(f"{host} cannot be reached: {type(error).__name__}")


def _reason(error: BaseException) -> str:
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    found = getattr(inner, "verify_message", "") or getattr(inner, "reason", "") or ""
    return str(found) or type(inner).__name__
