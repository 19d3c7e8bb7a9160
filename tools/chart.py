"""Writes what the Helm chart has from elsewhere: `make chart`.

- `templates/installed/`: the objects that `fleet cluster install` applies, from `fleet/kube/install`
- `values.yaml` and the table in `README.md`: from `values.schema.json`, which has each value's default and meaning
- `files/`: the alerts and the dashboard of `deploy/monitoring`

And `deploy/manifests/fleet.yaml`, which is the chart with its defaults, as helm renders it.
"""

from __future__ import annotations

import json
import subprocess
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from fleet.kube.install.installation import (
    CONTROLLER,
    MANAGED_BY,
    OPERATOR_ROLE,
    Manifest,
    manifests,
    roles_of_jobs,
    rules,
)
from fleet.kube.objects.permissions import REMOTE
from tools.go_programs import program

ROOT = Path(__file__).parents[1]
CHART = ROOT / "deploy" / "chart" / "fleet"
MANIFESTS = ROOT / "deploy" / "manifests" / "fleet.yaml"
TABLE = "<!-- values: written by make chart -->"
_MADE = "{{/* Written by `make chart` from fleet/kube/install. */}}"
_LABELS = '{{- include "fleet.labels" . | nindent 4 }}'
_AGENTS_NAMESPACE = "{{ .Values.agent.namespace }}"
_SPACE = "namespace-of-jobs"

AGENT = "fleet-agent"

JsonObject = Mapping[str, Any]


def generated() -> dict[Path, str]:
    """Returns the content of each generated file of the chart, by path."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    templates = CHART / "templates" / "installed"
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    before, _, rest = readme.partition(TABLE)
    monitoring = ROOT / "deploy" / "monitoring"
    return {
        **{templates / name: text for name, text in _templates().items()},
        CHART / "values.yaml": "\n".join(
            ("# Written by `make chart` from values.schema.json.", *_values(schema), "")
        ),
        CHART / "README.md": "\n".join((f"{before}{TABLE}", *_table(schema), TABLE))
        + rest.partition(TABLE)[2],
        **{
            CHART / "files" / name: (monitoring / name).read_text()
            for name in ("alerts.yaml", "dashboard.json")
        },
    }


def rendered(*arguments: str) -> str:
    """Returns what `helm template` prints for the chart. Raises LabError where helm cannot be built, and
    CalledProcessError, with what helm says in `stderr`, where it refuses."""
    command = [str(program("helm")), "template", "fleet", str(CHART), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def plain() -> str:
    """Returns `deploy/manifests/fleet.yaml`: the chart with its defaults."""
    return (
        "# Written by `make chart`: the chart in deploy/chart/fleet with its defaults. Put your image in place of\n"
        "# registry.example/fleet, best by its digest: name@sha256:...\n" + rendered()
    )


def _templates() -> dict[str, str]:
    """Returns the templates by name: one for each kind of purpose, in the order of `fleet cluster install`."""
    files: dict[str, list[str]] = {}
    for manifest in manifests("set by agent.yaml", policy=True):
        if manifest.kind in ("Namespace", "DaemonSet"):
            continue  # the chart's own, which have values
        files.setdefault(_file_of(manifest), []).append(_template(manifest))
    files["controller-roles.yaml"].append(_jobs())
    guards = {"crds.yaml": ".Values.crds.install", "agent.yaml": ".Values.agent.enabled"}
    return {
        name: f"{_MADE}\n" + _guarded("---\n".join(documents), guards.get(name))
        for name, documents in files.items()
    }


def _file_of(manifest: Manifest) -> str:
    if manifest.kind == "CustomResourceDefinition":
        return "crds.yaml"
    if manifest.name in (CONTROLLER, OPERATOR_ROLE):
        return "controller-roles.yaml"
    return "agent.yaml" if manifest.name.startswith(AGENT) else "users.yaml"


def _guarded(text: str, condition: str | None) -> str:
    return f"{{{{- if {condition} }}}}\n{text}{{{{- end }}}}\n" if condition else text


def _template(manifest: Manifest) -> str:
    body = json.loads(json.dumps(manifest.body))
    metadata = body["metadata"]
    metadata["labels"] = "LABELS"
    if manifest.kind == "CustomResourceDefinition":
        # Else an uninstall would delete every object of the kind with it.
        metadata["annotations"] = {"helm.sh/resource-policy": "keep"}
    if manifest.name == AGENT:
        for named in (metadata, *body.get("subjects", ())):
            if "namespace" in named:
                named["namespace"] = "AGENTS"
    text = _dumped(body)
    if manifest.kind == "ClusterRole" and manifest.name == CONTROLLER:
        text += (
            f"{{{{- if .Values.controller.worksOnMachines }}}}\n{_dumped(rules(REMOTE, ''))}{{{{- end }}}}\n"
        )
    return text.replace("namespace: AGENTS", f"namespace: {_AGENTS_NAMESPACE}")


def _jobs() -> str:
    """Returns the template of the roles in the namespaces of hooks' Jobs."""
    documents = []
    for manifest in roles_of_jobs((_SPACE,)):
        body = json.loads(json.dumps(manifest.body))
        del body["metadata"]["labels"][MANAGED_BY]
        body["metadata"]["labels"] = "LABELS"
        documents.append(_dumped(body).replace(f"namespace: {_SPACE}", "namespace: {{ $namespace }}"))
    text = "---\n".join(documents).replace('"fleet.labels" .', '"fleet.labels" $')
    return f"{{{{- range $namespace := .Values.controller.jobNamespaces }}}}\n---\n{text}{{{{- end }}}}\n"


def _dumped(body: object) -> str:
    text: str = yaml.safe_dump(body, sort_keys=False, width=120)
    if "{{" in text:
        raise ValueError(f"Helm would take this for a template: {text}")
    return text.replace("  labels: LABELS\n", f"  labels:\n    {_LABELS}\n")


def _values(schema: JsonObject, indent: str = "") -> Iterator[str]:
    """Yields the lines of values.yaml: each value after its description."""
    for name, value in _properties(schema):
        yield from (
            f"{indent}# {line}"
            for line in textwrap.wrap(value["description"], 110 - len(indent), break_on_hyphens=False)
        )
        if "properties" in value and "default" not in value:
            yield f"{indent}{name}:"
            yield from _values(value, f"{indent}  ")
        else:
            yield f"{indent}{name}: {json.dumps(value['default'], ensure_ascii=False)}"


def _table(schema: JsonObject, prefix: str = "") -> Iterator[str]:
    """Yields the rows of the README's table."""
    if not prefix:
        yield from ("", "| value | default | what it means |", "|---|---|---|")
    for name, value in _properties(schema):
        if "properties" in value and "default" not in value:
            yield from _table(value, f"{prefix}{name}.")
        else:
            allowed = ", ".join(f"`{each}`" for each in value.get("enum", ()))
            meaning = f"{value['description']}{f' One of {allowed}.' if allowed else ''}".replace("|", "\\|")
            yield f"| `{prefix}{name}` | `{json.dumps(value['default'])}` | {meaning} |"
    if not prefix:
        yield ""


def _properties(schema: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    yield from ((name, value) for name, value in schema["properties"].items() if name != "global")


def main() -> None:
    (CHART / "templates" / "installed").mkdir(exist_ok=True)
    (CHART / "files").mkdir(exist_ok=True)
    files = generated()
    for path in (CHART / "templates" / "installed").iterdir():
        if path not in files:
            path.unlink()
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    MANIFESTS.parent.mkdir(exist_ok=True)
    MANIFESTS.write_text(plain(), encoding="utf-8")


if __name__ == "__main__":
    main()
