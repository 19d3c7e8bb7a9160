"""Reads hooks: what fleet runs before and after rollouts, stages and nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import yaml
from msgspec import UNSET, UnsetType

from fleet.config.document import forms, network_forms
from fleet.config.document.fragment import PASSWORD, USER_IN_URL
from fleet.config.document.reader import Reader
from fleet.config.pool_rules.playbook import mistake_in
from fleet.config.stream import text_of
from fleet.core.policy.hooks.hook import (
    MOST_OUTPUT,
    AnyHook,
    CommandHook,
    Hooks,
    HttpHook,
    JobHook,
    PlaybookHook,
)
from fleet.core.text.paths import expanded

SHELL = "/bin/sh"
LARGEST_JOB = 65536
"""The most bytes of a Job's template as JSON: each plan and each rollout has it."""


def hooks(reader: Reader, of: str, base: Hooks | UnsetType = UNSET) -> Hooks | UnsetType:
    """Reads the key `hooks`; `base` counts where it does not give a list. `of`: `node`, `stage` or `rollout`."""
    part = reader.block("hooks")
    known = base or Hooks()
    before = _list(part, f"before_{of}", of) if part.has(f"before_{of}") else known.before
    after = _list(part, f"after_{of}", of) if part.has(f"after_{of}") else known.after
    return Hooks(before, after) if before or after else UNSET


def _list(reader: Reader, key: str, of: str) -> tuple[AnyHook, ...]:
    # Documents list the keys of a hook once.
    parts = reader.blocks(key, items="hook")
    found = [_hook(part, of) for part in parts]
    names: set[str] = set()
    for part, hook in zip(parts, found, strict=True):
        if hook is not None and hook.name in names:
            part.problem("expected each name once, found it again", "name")
        names.add(hook.name if hook is not None else "")
    return tuple(hook for hook in found if hook is not None)


def _hook(reader: Reader, of: str) -> AnyHook | None:
    """Returns the hook; None if it has no kind, or several."""
    common: dict[str, Any] = {
        "name": reader.required("name", forms.NAME, ""),
        "timeout_seconds": reader.value("timeout", forms.seconds(1), 300),
        "attempts": reader.value("attempts", forms.count(1), 1),
        "output_bytes": reader.value("output", forms.count(0), 4096),
        "on_failure": reader.value(
            "on_failure", forms.choice({"hold": "hold", "continue": "continue"}), "hold"
        ),
        "idempotent": reader.flag("idempotent", False),
    }
    if common["output_bytes"] > MOST_OUTPUT:
        reader.problem(f"expected at most {MOST_OUTPUT} bytes, found more", "output")
    given = [kind for kind in KINDS if reader.has(kind)]
    found = [KINDS[kind](reader, common, of) for kind in given]
    if len(given) != 1:
        reader.problem(f"expected one of {', '.join(KINDS)}, found {' and '.join(given) or 'none'}")
        return None
    return found[0]


def _program(reader: Reader, common: dict[str, Any], command: tuple[str, ...]) -> CommandHook:
    for key in ("command", "shell"):
        if reader.has(key) and any(PASSWORD.search(text) or USER_IN_URL.search(text) for text in command):
            reader.problem(
                "it may have a secret in it, and plans, journal and reports show it: use secrets", key
            )
    folder = reader.folder
    secrets = reader.pairs("secrets", VARIABLE, forms.FILE)
    return CommandHook(
        **common,
        command=command,
        environment=reader.values("environment", VARIABLE),
        secrets={name: str(folder / expanded(path)) for name, path in secrets.items()},
    )


def _command(reader: Reader, common: dict[str, Any], of: str) -> AnyHook:
    return _program(reader, common, reader.values("command", forms.TEXT, required=True))


def _shell(reader: Reader, common: dict[str, Any], of: str) -> AnyHook:
    return _program(reader, common, (SHELL, "-c", reader.value("shell", forms.SCRIPT, "")))


def _http(reader: Reader, common: dict[str, Any], of: str) -> AnyHook:
    part = reader.block("http")
    token_file = part.value("token_file", forms.FILE, "")
    folder = reader.folder
    return HttpHook(
        **common,
        url=part.required("url", network_forms.URL, ""),
        method=part.value("method", forms.choice({"POST": "POST", "PUT": "PUT"}), "POST"),
        token_file=str(folder / expanded(token_file)) if token_file else "",
    )


def _playbook(reader: Reader, common: dict[str, Any], of: str) -> AnyHook:
    if of != "node":
        reader.problem(f"expected command, http or job before and after a {of}, found a playbook", "playbook")
    path = reader.folder / expanded(reader.value("playbook", forms.FILE, ""))
    if reader.has("playbook") and (mistake := mistake_in(path)):
        reader.problem(f"expected a playbook, {mistake}", "playbook")
    return PlaybookHook(**common, playbook=str(path))


def _job(reader: Reader, common: dict[str, Any], of: str) -> AnyHook:
    part = reader.block("job")
    cluster = part.value("cluster", forms.NAME, "")
    if of == "node" and cluster:
        part.problem("expected none: the Job of a node is in the node's cluster, found one", "cluster")
    if of != "node" and not cluster:
        part.problem("expected the cluster of the Job, found none", "cluster")
    return JobHook(
        **common,
        namespace=part.required("namespace", forms.NAMESPACE, ""),
        template=_template(part),
        cluster=cluster,
        on_node=part.flag("on_node", of == "node"),
    )


def _template(reader: Reader) -> str:
    """Returns the Job's `spec` as JSON, from a manifest in the file or beside it."""
    file, text = reader.value("file", forms.FILE, ""), reader.value("template", forms.SCRIPT, "")
    if bool(file) == bool(text):
        reader.problem(f"expected file or template, found {'both' if file else 'neither'}")
        return ""
    key = "file" if file else "template"
    path = reader.folder / expanded(file)
    try:
        manifest = _loaded(text or text_of(path))
        encoded = msgspec.json.encode(manifest)
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as wrong:
        reason = getattr(wrong, "strerror", None) or ascii(str(wrong))[1:200]
        reader.problem(f"expected the manifest of a Job, found what cannot be read: {reason}", key)
        return ""
    if why := _mistake(manifest, len(encoded)):
        reader.problem(f"expected the manifest of a Job, {why}", key)
        return ""
    return msgspec.json.encode(manifest["spec"]).decode()


def _loaded(text: str) -> Any:
    """Returns the YAML document. Raises ValueError for one with aliases, which may be of any size when it is written
    out."""
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
        raise ValueError("it has an alias (*)")
    return yaml.safe_load(text)


def _mistake(manifest: Any, size: int) -> str:
    """Returns why this is no manifest of a Job; empty where it is one. The API server knows what is valid in it."""
    if size > LARGEST_JOB:
        return f"found more than {LARGEST_JOB} bytes"
    if not isinstance(manifest, dict) or manifest.get("kind") != "Job":
        return "found no kind: Job"
    if manifest.get("apiVersion") != "batch/v1":
        return "found no apiVersion: batch/v1"
    found: Any = manifest
    for key in ("spec", "template", "spec"):
        found = found.get(key)
        if not isinstance(found, dict):
            return "found no spec.template.spec"
    containers = found.get("containers")
    return "" if isinstance(containers, list) and containers else "found no containers"


VARIABLE = forms.matching(
    "the name of an environment variable that does not begin with FLEET_",
    r"(?!FLEET_)[A-Za-z_][A-Za-z0-9_]{0,99}",
    in_go=r"[A-Za-z_][A-Za-z0-9_]{0,99}",
)
KINDS: Mapping[str, Callable[[Reader, dict[str, Any], str], AnyHook]] = {
    "command": _command,
    "shell": _shell,
    "http": _http,
    "playbook": _playbook,
    "job": _job,
}
"""The reader of each kind of hook, by the key that makes a hook one of the kind."""
