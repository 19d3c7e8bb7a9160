"""Credentials of container registries, from the files in which docker and podman keep them."""

from __future__ import annotations

import binascii
import os
from base64 import b64decode
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from fleet.core.text.encoding import in_utf8

HUB = "https://index.docker.io/v1/"
"""The key under which docker keeps the credentials of docker.io."""


class RegistryLogin(Struct, frozen=True):
    """An entry of the file."""

    auth: str = ""
    """`user:password` in base64."""


class RegistryLogins(Struct, frozen=True):
    """`config.json` of docker, `auth.json` of podman."""

    auths: dict[str, RegistryLogin] = {}


def login(repository: str, environ: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
    """Returns user and password for a repository (`HOST/PATH`): those of the longest entry that it begins with. None if
    there is none. Entries of credential helpers are not read."""
    for path in _files(environ):
        try:
            logins = msgspec.json.decode(in_utf8(path.read_bytes()), type=RegistryLogins).auths
        except (OSError, UnicodeDecodeError, msgspec.DecodeError, msgspec.ValidationError):
            continue
        for name in _names(repository):
            if name in logins and (found := _decoded(logins[name].auth)):
                return found
    return None


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    if named := environ.get("REGISTRY_AUTH_FILE", ""):
        yield Path(named)
    if runtime := environ.get("XDG_RUNTIME_DIR", ""):
        yield Path(runtime) / "containers" / "auth.json"
    docker = environ.get("DOCKER_CONFIG", "")
    yield (Path(docker) if docker else Path.home() / ".docker") / "config.json"


def _names(repository: str) -> Iterator[str]:
    parts = repository.split("/")
    for count in range(len(parts), 0, -1):
        yield "/".join(parts[:count])
    yield f"https://{parts[0]}"
    if parts[0] == "docker.io":
        yield HUB


def _decoded(text: str) -> tuple[str, str] | None:
    try:
        user, colon, password = b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None
