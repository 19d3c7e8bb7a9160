"""The parts of which kubeconfigs of tests are made."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from msgspec import Struct

from fleet.lab.control_plane.certificates import Certificates
from tests.kubectl.programs import NOW
from tests.kubectl.recorder import Recorder

V1, V1BETA1 = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"
SECRETS = ("s3cret-t0ken", "s3cret-f1le", "s3cret-w0rd", "s3cret-pr0xy", "s3cret-plug1n")
TOKEN, FILE, WORD, PROXY, PLUGIN = SECRETS

Json = dict[str, Any]


class Case(Struct, frozen=True, kw_only=True):
    name: str
    files: Mapping[str, Any]
    """By path: a kubeconfig's content or a file's text or bytes; a plugin is one whose name ends in `plugin`."""
    kubeconfig: tuple[str, ...] = ("config",)
    context: str = ""
    environ: Mapping[str, str] = {}
    stricter: str = ""
    """Why fleet refuses what kubectl takes; empty: it does not."""


class World:
    """What kubeconfigs of the cases can be about."""

    def __init__(self, recorder: Recorder, issued: Certificates) -> None:
        self.recorder = recorder
        self.issued = issued
        self.authority = issued.authority.read_bytes()
        self.other = issued.etcd_authority.read_bytes()
        self.certificate = issued.admin.certificate.read_bytes()
        self.key = issued.admin.key.read_bytes()
        self.server = f"https://127.0.0.1:{recorder.https}"
        self.plain = f"http://127.0.0.1:{recorder.http}"
        self.far = "https://kubernetes.default.svc:6443"
        """Only a proxy finds it."""

    def cluster(self, **fields: Any) -> Json:
        own = {"server": self.server, "certificate-authority-data": encoded(self.authority)}
        return {key: value for key, value in {**own, **spelled(fields)}.items() if value is not None}

    @property
    def pair(self) -> Json:
        return {
            "client-certificate-data": encoded(self.certificate),
            "client-key-data": encoded(self.key),
        }


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def spelled(fields: Mapping[str, Any]) -> Json:
    return {key.replace("_", "-"): value for key, value in fields.items()}


def config(cluster: Json | None, user: Json | None, **top: Any) -> Json:
    reported: Json = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "east",
        "contexts": [{"name": "east", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    return reported | spelled(top)


def plugin(**fields: Any) -> Json:
    own = {"apiVersion": V1, "command": "./plugin", "interactiveMode": "Never"}
    return {"exec": {key: value for key, value in {**own, **fields}.items() if value is not None}}


def credential(version: str | None = V1, kind: str | None = "ExecCredential", **status: str) -> str:
    reported = {"apiVersion": version, "kind": kind, "status": status}
    return json.dumps({key: value for key, value in reported.items() if value is not None})


def jwt(lifetime: timedelta) -> str:
    claims = json.dumps({"exp": int((NOW + lifetime).timestamp())}).encode()
    parts = (b'{"alg":"none"}', claims, b"signature")
    return ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in parts)


SCRIPT = """{ printf '%s\\n' "$KUBERNETES_EXEC_INFO" "$TOLD" "$#" "$@"; cat; } > "${0%/*}/told"
[ "$1" != fail ] || { echo "no: s3cret-plug1n-with-a-token-of-more-than-forty-letters" >&2; exit 3; }
cat "${0%/*}/said"
"""
