"""Writes the CRDs that fleet installs: `python -m tools.crds.generate`.

The schemas come from what the reader of `fleet.yaml` asks for, from docs/policy.md, and from the structs of
`fleet.core.custom_resources`.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from tools.crds.kinds import Kind, kinds

MANIFESTS = Path(__file__).parents[2] / "fleet" / "kube" / "install" / "manifests" / "policy"
FIRST = 21
HEAD = "# Generated: python -m tools.crds.generate\n"


class _Plain(yaml.SafeDumper):
    """Writes what is there twice two times."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def text_of(kind: Kind) -> str:
    """Returns the manifest of the kind's CRD."""
    return HEAD + yaml.dump(kind.definition, Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)


def files() -> dict[str, str]:
    """Returns the manifests by the name of their file."""
    return {f"{FIRST + place}-{kind.plural}.yaml": text_of(kind) for place, kind in enumerate(kinds())}


def main() -> None:
    for name, text in files().items():
        (MANIFESTS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
