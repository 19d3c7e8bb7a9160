"""The rules of a boot loader with boot counting: which of a machine's deployments boots next. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

TRIES = 2
"""How often a deployment that was never marked as good is booted, before the next one is tried."""


class BootEntry(msgspec.Struct, frozen=True):
    """One entry of the Boot Loader Specification, as OSTree writes it."""

    version: int
    """The version; the highest one boots first."""
    ostree: str
    """The path in its `ostree=` kernel argument: a link to the deployment, from the root of the disk."""


def parse(text: str) -> BootEntry:
    """Parses one file of `loader/entries`. Raises ValueError for a file that is not OSTree's."""
    fields = dict(line.split(None, 1) for line in text.splitlines() if len(line.split(None, 1)) == 2)
    paths = [argument[7:] for argument in fields.get("options", "").split() if argument.startswith("ostree=")]
    if len(paths) != 1 or not fields.get("version", "").strip().isdigit():
        raise ValueError(f"no boot entry of OSTree: {text[:200]!r}")
    return BootEntry(int(fields["version"]), paths[0])


def choose(deployments: Sequence[str], good: Collection[str], tries: Mapping[str, int]) -> str:
    """Returns the deployment that boots, of deployments in the order of their entries.

    `good` are those that once marked themselves as good, `tries` counts the boots of each. Where none is left, the
    last and oldest one boots.
    """
    for deployment in deployments:
        if deployment in good or tries.get(deployment, 0) < TRIES:
            return deployment
    return deployments[-1]
