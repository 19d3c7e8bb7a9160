"""The identity of a user, and how it was established. Part of the journal's records about approvals."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

UserMethod = Literal["os", "token", "kubernetes"]
IdentityMethod = UserMethod | Literal["policy"]
"""`os`: the user of the operating system. `token`: the subject of a signed token. `kubernetes`: the user as an API
server authenticates the kubeconfig's credentials. `policy`: no user, but the standing policy of a pool."""


class Identity(Struct, frozen=True):
    """A user, as identified by one method. Two identities with the same name are the same person: a name on two hosts
    does not make two persons."""

    name: str
    method: IdentityMethod = "os"
    source: str = ""
    """The host of an OS user, the id of the key and of the token, the cluster whose API server answered, or the hash
    of the standing policy's rule."""

    def __str__(self) -> str:
        return (
            f"{self.name} ({self.method}, {self.source})" if self.source else f"{self.name} ({self.method})"
        )
