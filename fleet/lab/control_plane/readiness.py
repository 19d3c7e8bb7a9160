"""Waits until a program of the lab is ready."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping

from fleet.lab.control_plane.api import Api
from fleet.lab.control_plane.files import (
    API_SERVER,
    BALANCER,
    CONTROLLER_MANAGER,
    ETCD,
    KWOK,
    SCHEDULER,
    ControlPlaneFiles,
)
from fleet.lab.errors import LabError
from fleet.lab.process import Process, last_lines

READY_SECONDS = 120.0
"""Seconds until a program must be ready. The timeout is generous: a busy two-core machine takes ten seconds, and a
shorter timeout has no advantage."""

_POLL_SECONDS = 0.05


def wait_until_ready(process: Process, layout: ControlPlaneFiles) -> None:
    """Returns when the program is ready. Raises LabError with the end of its log where it does not become ready."""
    name = process.record.name
    kind, seen = layout.placed(name)
    is_ready = _READY[kind]
    deadline = time.monotonic() + READY_SECONDS
    while True:
        process.check()
        try:
            if is_ready(seen):
                return
        except (OSError, http.client.HTTPException):
            pass  # nothing listens yet
        if time.monotonic() > deadline:
            log = layout.log(name)
            raise LabError(
                f"{name} is not ready after {READY_SECONDS:.0f} s:\n{last_lines(log)}", f"its log is {log}"
            )
        time.sleep(_POLL_SECONDS)  # noqa: TID251 - between two looks at the condition


def _etcd_is_ready(layout: ControlPlaneFiles) -> bool:
    certificates = layout.certificates
    return (
        Api(layout.etcd, certificates.etcd_authority, certificates.etcd_client).call("GET", "/health").status
        == 200
    )


def _api_server_is_ready(layout: ControlPlaneFiles) -> bool:
    return _admin(layout).call("GET", "/readyz").status == 200


def _controller_manager_is_ready(layout: ControlPlaneFiles) -> bool:
    """Returns whether the controllers work: the program answers, and it has created the service account without which
    no pod is admitted."""
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    return (
        _is_healthy(layout, layout.ports.controller_manager)
        and _admin(layout).call("GET", account).status == 200
    )


def _scheduler_is_ready(layout: ControlPlaneFiles) -> bool:
    return _is_healthy(layout, layout.ports.scheduler)


def _kwok_is_ready(layout: ControlPlaneFiles) -> bool:
    """Returns whether kwok's binary exists: kwok listens on no port. That it works shows when the first nodes become
    Ready (nodes.wait_until_ready)."""
    return layout.binaries.kwok.exists()


def _is_healthy(layout: ControlPlaneFiles, port: int) -> bool:
    api = Api(f"https://127.0.0.1:{port}", layout.certificates.authority, None)
    return api.call("GET", "/healthz").status == 200


def _admin(layout: ControlPlaneFiles) -> Api:
    return Api(layout.server, layout.certificates.authority, layout.certificates.admin)


_READY: Mapping[str, Callable[[ControlPlaneFiles], bool]] = {
    ETCD: _etcd_is_ready,
    API_SERVER: _api_server_is_ready,
    CONTROLLER_MANAGER: _controller_manager_is_ready,
    SCHEDULER: _scheduler_is_ready,
    KWOK: _kwok_is_ready,
    BALANCER: _api_server_is_ready,
}
