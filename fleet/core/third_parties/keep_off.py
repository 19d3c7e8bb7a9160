"""Annotations that keep autoscalers and other parties off a node while fleet works on it.

They come with the cordon and go with the uncordon. An annotation that was there before is somebody else's: it is
neither changed nor taken away. What is fleet's is noted in an annotation of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleet.core.objects.node import KEEP_OFF_ANNOTATION
from fleet.core.third_parties.sign_index import KEEP_OFF

VALUE = "true"


def additions(annotations: Mapping[str, str], rollout: str) -> dict[str, str]:
    """Returns what a cordon by the rollout adds to a node's annotations. Empty: all of it is there already."""
    listed = _listed(annotations)
    ours = [key for key in KEEP_OFF if key not in annotations or key in listed]
    if not ours:
        return {}
    wanted = dict.fromkeys(ours, VALUE) | {KEEP_OFF_ANNOTATION: " ".join((rollout, *ours))}
    return {key: value for key, value in wanted.items() if annotations.get(key) != value}


def removals(annotations: Mapping[str, str], rollout: str = "") -> tuple[str, ...]:
    """Returns the annotations to take away: those that the rollout has set and nobody has changed since.

    Without a rollout: those of whichever has set them.
    """
    noted = annotations.get(KEEP_OFF_ANNOTATION)
    if noted is None or (rollout and noted.partition(" ")[0] != rollout):
        return ()
    ours = tuple(key for key in _listed(annotations) if annotations.get(key) == VALUE)
    return (KEEP_OFF_ANNOTATION, *ours)


def _listed(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Those noted as fleet's, and no annotation that is for anything else."""
    noted = annotations.get(KEEP_OFF_ANNOTATION, "").split(" ")[1:]
    return tuple(key for key in KEEP_OFF if key in noted)
