"""A cluster in a file, as `kubectl get nodes,pods,... -A -o json` prints it, with what fleet reads and nothing else: no
environment, no commands, no images but of API servers, no logs of machines, and of others' annotations only those that mark
a node, and of a pod those whose value is a single word (`true`, `skip`)."""

from __future__ import annotations

from typing import Any

import msgspec

from fleet.core.objects.pod import is_word
from fleet.core.records.errors import ForbiddenError
from fleet.kube.client.transport import Transport
from fleet.kube.kinds.api_resources import KINDS
from fleet.kube.kinds.machine import MachineWire
from fleet.kube.kinds.node import KEPT_ANNOTATIONS
from fleet.kube.kinds.pods.pod import MIRROR, api_server
from fleet.kube.kinds.pods.pod_wire import PodWire
from fleet.kube.objects.api_resource import ApiResource
from fleet.kube.objects.errors import NotFoundError
from fleet.kube.watch.listing import read


async def dump(transport: Transport) -> bytes:
    """Returns JSON that `dump_file.of_dump` reads, with the resources that were read, of which there may be no
    object. Resources that fleet can do without may be missing in it. Raises FleetError."""
    items: list[Any] = []
    kinds: list[str] = []
    for kind in KINDS:
        try:
            found = (await read(transport, kind.as_written())).things
        except NotFoundError:
            continue
        except ForbiddenError:
            if not kind.optional:
                raise
            continue
        kinds.append(kind.resource)
        items += [_item(kind, each) for each in found]
    return msgspec.json.encode({"apiVersion": "v1", "kind": "List", "read": kinds, "items": items})


def _item(kind: ApiResource[Any], found: object) -> Any:
    item = _bare(msgspec.json.decode(msgspec.json.encode(found)))
    if isinstance(found, PodWire) and not api_server(found.metadata, found.spec):
        for container in (*item["spec"].get("containers", ()), *item["spec"].get("initContainers", ())):
            container.pop("image", None)
    if isinstance(found, MachineWire):
        for part in (item.get("spec", {}), item.get("status", {}), item.get("status", {}).get("work", {})):
            part.pop("log", None)
    annotations = item["metadata"].get("annotations", {})
    is_pod = isinstance(found, PodWire)
    kept = {
        key: value
        for key, value in annotations.items()
        if key.startswith((*KEPT_ANNOTATIONS, MIRROR)) or (is_pod and is_word(value))
    }
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        **item,
        "metadata": {**item["metadata"], "annotations": kept},
    }


def _bare(value: Any) -> Any:
    """Returns the value without its null fields. An empty map may mean much: `emptyDir: {}`, a selector of
    everything."""
    if isinstance(value, dict):
        return {key: _bare(part) for key, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_bare(part) for part in value]
    return value
