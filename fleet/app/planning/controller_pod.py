"""The pod of the controller that leads, as that controller has noted it: every plan has its node last, whoever makes it."""

from __future__ import annotations

import msgspec

from fleet.app.wiring.home import Home
from fleet.core.state.own_pod import OwnPod

KEY = "controller pod"
"""The setting of the database that has the pod."""


def controller_pod(home: Home) -> OwnPod | None:
    """Returns the pod; None where no controller has led in a pod, or an other version has noted it in a way that this one
    cannot read: then plans have its node where any other would be."""
    store = home.store_if_any
    text = store.settings.get(KEY) if store is not None else None
    try:
        return msgspec.json.decode(text, type=OwnPod) if text is not None else None
    except msgspec.MsgspecError:
        return None


def note_controller_pod(home: Home, own: OwnPod) -> None:
    """Notes the pod of the controller that leads, if another one is noted. Raises StoreError."""
    if controller_pod(home) != own:
        home.store.settings.set(KEY, msgspec.json.encode(own).decode())
