"""A kubeconfig: what a person may have got wrong in it, said before anything is tried; then the library loads it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from msgspec import Struct

from fleet.core.errors import UsageError

_DATA = (("certificate-authority", "cluster"), ("client-certificate", "user"), ("client-key", "user"))


LARGEST = 4 * 2**20
"""Bytes of a kubeconfig."""
_QUOTED = re.compile(r"'.*'", re.DOTALL)


class Kubeconfig(Struct, frozen=True):
    """The one context of the file that is used."""

    path: Path
    context: str
    cluster: dict[str, Any]
    user: dict[str, Any]

    @property
    def server(self) -> str:
        return str(self.cluster["server"])

    @property
    def plugin(self) -> str:
        """The command that brings credentials; empty where none does."""
        found = self.user.get("exec")
        return str(found.get("command", "")) if isinstance(found, Mapping) else ""

    def for_library(self, folder: Path) -> dict[str, Any]:
        """A config of this context alone; certificates and keys in it are written to `folder`.

        Raises UsageError for what is no base64.
        """
        parts = {"cluster": dict(self.cluster), "user": dict(self.user)}
        for name, part in _DATA:
            data = parts[part].pop(f"{name}-data", None)
            if data:
                file = folder / name
                file.touch(mode=0o600)
                file.write_bytes(self._decoded(name, data))
                parts[part][name] = str(file)
        return {
            "current-context": "used",
            "contexts": [{"name": "used", "context": {"cluster": "used", "user": "used"}}],
            "clusters": [{"name": "used", "cluster": parts["cluster"]}],
            "users": [{"name": "used", "user": parts["user"]}],
        }

    def _decoded(self, name: str, data: object) -> bytes:
        try:
            return base64.b64decode(str(data), validate=True)
        except (binascii.Error, ValueError):
            raise UsageError(f"{self.path}: {name}-data of context {self.context!r} is no base64") from None


def read(path: Path, context: str = "") -> Kubeconfig:
    """The named context, or the current one. Raises UsageError with the file's name and what is there instead."""
    content = _parsed(path)
    contexts = _named(path, content, "contexts", "context")
    name = context or str(content.get("current-context") or "")
    there = f"contexts there: {', '.join(sorted(contexts))}" if contexts else "it holds no contexts at all"
    if not name:
        raise UsageError(f"{path} has no current context", f"name one with --context; {there}")
    if name not in contexts:
        raise UsageError(f"{path} has no context {name!r}", there)
    chosen = contexts[name]
    clusters = _named(path, content, "clusters", "cluster")
    cluster = clusters.get(str(chosen.get("cluster")))
    if cluster is None:
        raise UsageError(
            f"{path}: context {name!r} names cluster {chosen.get('cluster')!r}, which is not there",
            f"clusters there: {', '.join(sorted(clusters)) or 'none'}",
        )
    if not _usable(cluster.get("server")):
        raise UsageError(
            f"{path}: the cluster of context {name!r} has no usable server", "expected https://HOST:PORT"
        )
    if cluster.get("proxy-url") and not _usable(cluster["proxy-url"]):
        raise UsageError(
            f"{path}: the cluster of context {name!r} has no usable proxy-url", "expected http://HOST:PORT"
        )
    return Kubeconfig(path, name, cluster, _user(path, content, name, chosen))


def _usable(address: object) -> bool:
    try:
        parts = urlsplit(str(address or ""))
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _user(path: Path, content: Mapping[str, Any], name: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    wanted = chosen.get("user")
    if not wanted:
        return {}
    users = _named(path, content, "users", "user")
    if str(wanted) not in users:
        raise UsageError(
            f"{path}: context {name!r} names user {wanted!r}, who is not there",
            f"users there: {', '.join(sorted(users)) or 'none'}",
        )
    return users[str(wanted)]


def _parsed(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} has more than {LARGEST >> 20} MiB, so it is no kubeconfig")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"no kubeconfig at {path}", _beside(path)) from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder, not a kubeconfig", _beside(path / "config")) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no text file, so no kubeconfig") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    try:
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        # The error's own words quote the file, which may hold secrets: a token may look like an alias or a tag.
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 0
        problem = _QUOTED.sub("…", error.problem or "")
        raise UsageError(f"{path}:{line}: not YAML: {problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        # ValueError: what looks like a date and is none, or a number of thousands of digits.
        raise UsageError(f"{path} is not YAML, or none that a kubeconfig can be") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path} is no kubeconfig", "expected a mapping with clusters, users and contexts")
    return content


def _beside(path: Path) -> str:
    """What a person may have meant."""
    try:
        names = sorted(each.name for each in path.parent.iterdir() if each.is_file())
    except OSError:
        return f"the folder {path.parent} is not there either"
    return f"{path.parent} holds: {', '.join(names[:10])}" if names else f"{path.parent} is empty"


def _named(path: Path, content: Mapping[str, Any], key: str, inner: str) -> dict[str, dict[str, Any]]:
    """The entries of one of the file's lists of named things."""
    entries = content.get(key) or []
    if not isinstance(entries, list):
        raise UsageError(f"{path}: {key} is no list")
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get(inner) or {}, dict):
            raise UsageError(f"{path}: an entry of {key} has no name and {inner}")
        found[str(entry.get("name"))] = entry.get(inner) or {}
    return found
