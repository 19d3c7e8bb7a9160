"""Makes the JSON Schemas of the output that fleet prints for programs from the structs and their docstrings
(`docs/schemas/`)."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from itertools import pairwise
from textwrap import dedent
from typing import Any

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.inspect import DateTimeType, Field, StructType, Type, UnionType, type_info

from fleet.core.approval.exceptions import ExceptionList
from fleet.core.drift.drift_report import DriftReport, OrphanReport
from fleet.core.exposure.exposure_report import ExposureReport
from fleet.core.linting.finding import LintResult
from fleet.core.planning.plan import Plan
from fleet.core.policy.access import OwnAccess
from fleet.core.records.audit import JournalExport
from fleet.core.records.journal import JournalEntry
from fleet.core.releases.release_list import ReleaseList
from fleet.core.reporting.ahead.fleet_schedule import FleetSchedule
from fleet.core.reporting.approvals import ApprovalList
from fleet.core.reporting.past.differences import FleetDiff
from fleet.core.reporting.past.node_details import NodeDetails
from fleet.core.reporting.past.node_life import NodeLife
from fleet.core.reporting.period.period_report import PeriodReport
from fleet.core.reporting.report import Report
from fleet.core.reporting.status import FleetStatus
from fleet.core.sources.source_list import ImportedSource, SourceList
from fleet.core.standing.standing_pool import StandingList, StandingPass

DIALECT = "https://json-schema.org/draft/2020-12/schema"

PUBLISHED: Mapping[str, tuple[type[Struct], str]] = {
    "plan": (Plan, "fleet plan -o json"),
    "status": (FleetStatus, "fleet status -o json"),
    "diff": (FleetDiff, "fleet diff -o json"),
    "node": (NodeDetails, "fleet node show -o json"),
    "node-history": (NodeLife, "fleet node history -o json"),
    "journal-entry": (JournalEntry, "An entry of the journal"),
    "journal": (JournalExport, "fleet audit export"),
    "report": (Report, "fleet report ROLLOUT -o json"),
    "period-report": (PeriodReport, "fleet report --fleet --quarter QUARTER -o json"),
    "drift": (DriftReport, "fleet drift -o json"),
    "orphans": (OrphanReport, "fleet orphans -o json"),
    "sources": (SourceList, "fleet inventory list -o json"),
    "imported-source": (ImportedSource, "fleet inventory import FILE -o json"),
    "exposure": (ExposureReport, "fleet exposure CONDITION -o json"),
    "approvals": (ApprovalList, "fleet plan approvals -o json"),
    "policies": (StandingList, "fleet policy status -o json"),
    "policy-pass": (StandingPass, "fleet policy run -o json"),
    "releases": (ReleaseList, "fleet releases -o json"),
    "exceptions": (ExceptionList, "fleet exception list -o json"),
    "access": (OwnAccess, "fleet access show -o json"),
    "schedule": (FleetSchedule, "fleet schedule list -o json"),
    "lint": (LintResult, "fleet lint -o json"),
}
"""The structs by name of the file, each with the command that prints it. Keys are added, never renamed or dropped."""


def text(name: str) -> str:
    """Returns the content of the file with that name in `PUBLISHED`."""
    return msgspec.json.format(msgspec.json.encode(schema(name)), indent=2).decode() + "\n"


def schema(name: str) -> dict[str, Any]:
    """Returns the JSON Schema of that name. Every key of a struct is required, because fleet always writes all of them;
    keys that may be UNSET are left out then. Needs the source code of the structs."""
    kind, title = PUBLISHED[name]
    (root,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    for struct in _structs(type_info(kind)):
        _describe(parts[struct.cls.__name__], struct)
    return {"$schema": DIALECT, "title": title, **root, "$defs": dict(sorted(parts.items()))}


def _describe(part: dict[str, Any], struct: StructType) -> None:
    if "description" in part:
        # Python removes the indentation of docstrings since 3.13; this keeps the file the same with every Python
        # version.
        part["description"] = inspect.cleandoc(part["description"])
    docstrings = _docstrings(struct.cls)
    part["required"] = [field.encode_name for field in struct.fields if not _may_be_unset(field)]
    for field in struct.fields:
        value = part["properties"][field.encode_name]
        value.pop("default", None)
        if _has_time(field.type):
            for alternative in value.get("anyOf", [value]):
                if alternative.get("type") == "string":
                    alternative["format"] = "date-time"
        if field.name in docstrings:
            value["description"] = docstrings[field.name]


def _may_be_unset(field: Field) -> bool:
    """Returns whether the default is UNSET, which msgspec's inspection does not name."""
    return not field.required and field.default is NODEFAULT and field.default_factory is NODEFAULT


def _structs(info: Type, seen: set[type] | None = None) -> Iterator[StructType]:
    """Yields this struct and every struct that it contains, each once."""
    seen = set() if seen is None else seen
    if isinstance(info, StructType):
        if info.cls in seen:
            return
        seen.add(info.cls)
        yield info
        for field in info.fields:
            yield from _structs(field.type, seen)
        return
    for part in ("types", "item_types", "item_type", "key_type", "value_type"):
        inner = getattr(info, part, ())
        for item in inner if isinstance(inner, tuple) else (inner,):
            yield from _structs(item, seen)


def _has_time(info: Type) -> bool:
    alternatives = info.types if isinstance(info, UnionType) else (info,)
    return any(isinstance(alternative, DateTimeType) for alternative in alternatives)


def _docstrings(kind: type) -> dict[str, str]:
    """Returns the docstrings of the class's fields: a string that stands alone after a field describes that field."""
    (tree,) = ast.parse(dedent(inspect.getsource(kind))).body
    docstrings: dict[str, str] = {}
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for field, after in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match after:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    docstrings[field.target.id] = " ".join(text.split())
    return docstrings
