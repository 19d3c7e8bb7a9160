"""Writes a kubeconfig with embedded certificates, so that the file alone can be copied elsewhere."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import yaml

from fleet.lab.control_plane.certificates import KeyPair


def write(path: Path, *, name: str, server: str, authority: Path, client: KeyPair) -> None:
    """Writes a kubeconfig with one cluster, user and context, all named `name`; only its owner may read it."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [
            {"name": name, "cluster": {"server": server, "certificate-authority-data": _encoded(authority)}}
        ],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": _encoded(client.certificate),
                    "client-key-data": _encoded(client.key),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def _encoded(path: Path) -> str:
    return b64encode(path.read_bytes()).decode()
