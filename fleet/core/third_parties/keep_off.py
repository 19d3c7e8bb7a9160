"""Annotations that keep autoscalers and other parties off a node while fleet works on it.

fleet sets the annotations with the cordon and removes them with the uncordon. An annotation that the node had before is
not fleet's: fleet neither changes nor removes it. An annotation of fleet lists those that fleet has set.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleet.core.objects.node import KEEP_OFF_ANNOTATION
from fleet.core.third_parties.sign_index import KEEP_OFF

VALUE = "true"
"""The value of each annotation that fleet sets."""


def additions(annotations: Mapping[str, str], rollout: str) -> dict[str, str]:
    """Returns the annotations that a cordon by the rollout adds to the node's; empty if the node has all of them
    already."""
    listed = _listed(annotations)
    own_keys = [key for key in KEEP_OFF if key not in annotations or key in listed]
    if not own_keys:
        return {}
    wanted = dict.fromkeys(own_keys, VALUE) | {KEEP_OFF_ANNOTATION: " ".join((rollout, *own_keys))}
    return {key: value for key, value in wanted.items() if annotations.get(key) != value}


def removals(annotations: Mapping[str, str], rollout: str = "") -> tuple[str, ...]:
    """Returns the keys of the annotations to remove: those that the rollout has set and that were not changed since.

    Without a rollout: those that any rollout has set.
    """
    noted = annotations.get(KEEP_OFF_ANNOTATION)
    if noted is None or (rollout and noted.partition(" ")[0] != rollout):
        return ()
    own_keys = tuple(key for key in _listed(annotations) if annotations.get(key) == VALUE)
    return (KEEP_OFF_ANNOTATION, *own_keys)


def _listed(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the keys that are listed as set by fleet, limited to the keys in `KEEP_OFF`."""
    noted = annotations.get(KEEP_OFF_ANNOTATION, "").split(" ")[1:]
    return tuple(key for key in KEEP_OFF if key in noted)
