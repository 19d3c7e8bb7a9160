"""Reads who may do what: the part `access`."""

from __future__ import annotations

from fleet.config.document import forms
from fleet.config.document.reader import Reader
from fleet.core.policy.access import Access, Holders, Role
from fleet.core.records.identity import UserMethod
from fleet.core.text.paths import expanded

METHODS: dict[str, UserMethod] = {"os": "os", "token": "token", "kubernetes": "kubernetes"}


def access(reader: Reader) -> Access:
    """Reads `access`. Adds a problem where no user is an admin, since no user could change the policy's access then."""
    part = reader.block("access")
    default: UserMethod = "os"
    method = part.value("identity", forms.choice(METHODS), default)
    key = part.value("token_key", forms.FILE, "")
    cluster = part.value("cluster", forms.NAME, "")
    roles = {role: _holders(part.block(str(role))) for role in Role}
    if not reader.has("access"):
        return Access()
    if method == "token" and not key:
        part.problem("expected the key token_key (a public key in PEM), found none", "identity")
    if method == "kubernetes" and not cluster:
        part.problem("expected the key cluster (whose API server says who a user is), found none", "identity")
    if roles[Role.ADMIN] == Holders():
        part.problem("expected at least one user or group, found none", str(Role.ADMIN))
    path = str(reader.folder / expanded(key)) if key else ""
    return Access(method, path, cluster, roles)


def _holders(part: Reader) -> Holders:
    return Holders(part.values("users", forms.TEXT), part.values("groups", forms.TEXT))
