"""The kinds of fleet's objects: their names, columns and schemas."""

from __future__ import annotations

from typing import Any

import msgspec

from fleet.config.objects.kinds import GROUP, LISTS
from fleet.core.custom_resources.policy_objects import (
    FleetConfigStatus,
    FreezeStatus,
    QuorumGroupStatus,
    ReleaseStreamStatus,
    UpgradePolicyStatus,
)
from fleet.core.custom_resources.rollout import RolloutSpec, RolloutStatus
from tools.crds.rules import OBJECTS, SPECS
from tools.crds.schema import FileSchema, Schema, of_struct, validations

NAME = frozenset({"name"})


class Column(msgspec.Struct, frozen=True):
    name: str
    type: str
    path: str
    description: str = ""
    wide: bool = False


def condition(name: str, type_: str, description: str, wide: bool = False) -> Column:
    return Column(name, "string", f'.status.conditions[?(@.type=="{type_}")].status', description, wide)


class Kind(msgspec.Struct, frozen=True):
    kind: str
    plural: str
    short: str
    description: str
    spec: Schema
    status: Schema
    columns: tuple[Column, ...]

    @property
    def definition(self) -> dict[str, Any]:
        """Returns the CustomResourceDefinition."""
        columns = (*self.columns, Column("Age", "date", ".metadata.creationTimestamp"))
        schema = {
            "description": self.description,
            "type": "object",
            "required": ["spec"],
            "properties": {"spec": self.spec, "status": self.status},
            **validations(OBJECTS.get(self.kind, ())),
        }
        version = {
            "name": "v1",
            "served": True,
            "storage": True,
            "subresources": {"status": {}},
            "additionalPrinterColumns": [_column(each) for each in columns],
            "schema": {"openAPIV3Schema": schema},
        }
        names = {
            "kind": self.kind,
            "listKind": f"{self.kind}List",
            "plural": self.plural,
            "singular": self.kind.lower(),
            "shortNames": [self.short],
            "categories": ["fleet"],
        }
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{self.plural}.{GROUP}"},
            "spec": {"group": GROUP, "scope": "Cluster", "names": names, "versions": [version]},
        }


def _column(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        found["description"] = column.description
    return {**found, "priority": 1} if column.wide else found


def kinds() -> tuple[Kind, ...]:
    """Returns every kind but Machine, which is the agents'."""
    file = FileSchema()
    return (
        _upgrade_policy(file),
        _rollout(),
        _release_stream(file),
        _freeze(file),
        _quorum_group(file),
        _fleet_config(file),
    )


def _name(what: str) -> Schema:
    return {
        "description": f"The name of the {what} in plans, journal and reports. Default: the object's name.",
        "type": "string",
        "minLength": 1,
        "maxLength": 256,
    }


def _upgrade_policy(file: FileSchema) -> Kind:
    spec = file.mapping("pools[]", NAME)
    stream = file.mapping("streams[]", NAME | {"file"})
    order = {
        "description": "A node that several policies select belongs to the one with the lowest order; of two with the "
        "same order, to the one whose name comes first. Default: 0.",
        "type": "integer",
        "format": "int32",
    }
    spec["properties"] = {
        "name": _name("pool"),
        "order": order,
        **spec["properties"],
        "releases": stream["properties"]["releases"],
        "feed": stream["properties"]["feed"],
    }
    spec["properties"]["stream"]["description"] = (
        "The ReleaseStream that the nodes follow. Instead of it: releases or feed, for this policy alone. Without any of "
        "them the nodes are only watched, unless FleetConfig has a default."
    )
    spec |= validations(SPECS["UpgradePolicy"])
    return Kind(
        "UpgradePolicy",
        "upgradepolicies",
        "upol",
        "Which nodes belong together, what they should run, and what may happen to them when.",
        {"description": "What is to be, as a pool of fleet.yaml says it.", **spec},
        {"description": "What is.", **of_struct(UpgradePolicyStatus)},
        (
            Column("Version", "string", ".status.version", "The version that the nodes should run."),
            Column("Nodes", "integer", ".status.nodes", "Nodes that belong to the policy."),
            Column("Current", "integer", ".status.upToDate", "Nodes that run the version."),
            Column("Held", "integer", ".status.held", "Nodes that may not begin now."),
            Column("Failed", "integer", ".status.failed", "Nodes whose upgrade has failed."),
            condition("Ready", "Ready", "Whether the policy is in force."),
            condition("Degraded", "Degraded", "Whether something needs an operator.", wide=True),
            Column("Rollout", "string", ".status.rollout", "The Rollout that works on its nodes.", wide=True),
            Column("Next window", "string", ".status.nextWindow", "When a window opens next.", wide=True),
        ),
    )


def _rollout() -> Kind:
    spec = of_struct(RolloutSpec)
    spec |= validations(SPECS["Rollout"])
    return Kind(
        "Rollout",
        "rollouts",
        "fro",
        "Nodes are brought to one version: asked for by a user, or begun by fleet as a policy says.",
        {**spec, "description": "What a user asks for."},
        {**of_struct(RolloutStatus), "description": "What became of it."},
        (
            Column(
                "Status",
                "string",
                '.status.conditions[?(@.type=="Progressing")].reason',
                "Why it progresses, waits or has ended.",
            ),
            Column("Version", "string", ".status.version", "The version that the nodes go to."),
            Column("Progress", "string", ".status.progress", "Nodes that are done, of all."),
            Column("Failed", "integer", ".status.failed", "Nodes that have failed."),
            Column("ETA", "string", ".status.expectedEnd", "When it will probably have ended."),
            Column("Plan", "string", ".status.plan", "The plan.", wide=True),
            Column(
                "Message",
                "string",
                '.status.conditions[?(@.type=="Progressing")].message',
                "What it waits for.",
                wide=True,
            ),
        ),
    )


def _release_stream(file: FileSchema) -> Kind:
    return Kind(
        "ReleaseStream",
        "releasestreams",
        "rstream",
        "Releases that UpgradePolicies may follow, oldest first.",
        {
            "description": "The releases, or from where they come.",
            **_named(file, "streams[]", "stream", {"file"}),
        },
        {"description": "What is.", **of_struct(ReleaseStreamStatus)},
        (
            Column("Newest", "string", ".status.newest", "The newest version."),
            Column("Releases", "integer", ".status.releases", "How many releases it has."),
            condition("Ready", "Ready", "Whether the stream is in force."),
            Column("Read", "date", ".status.readAt", "How long ago its feed was read."),
        ),
    )


def _freeze(file: FileSchema) -> Kind:
    return Kind(
        "Freeze",
        "freezes",
        "frz",
        "A time in which no node begins, whatever the windows say.",
        {"description": "When, and in which part of the fleet.", **_named(file, "freezes[]", "freeze")},
        {"description": "What is.", **of_struct(FreezeStatus)},
        (
            condition("Active", "Active", "Whether it holds now."),
            Column("Begins", "string", ".status.beginsAt", "When it begins, or began."),
            Column("Ends", "string", ".status.endsAt", "When it ends."),
            condition("Ready", "Ready", "Whether the freeze is in force."),
        ),
    )


def _quorum_group(file: FileSchema) -> Kind:
    return Kind(
        "QuorumGroup",
        "quorumgroups",
        "qg",
        "Members that decide by majority, which fleet never takes away.",
        {"description": "Who the members are, and how they are asked.", **_named(file, "quorums[]", "group")},
        {"description": "What is.", **of_struct(QuorumGroupStatus)},
        (
            Column("Kind", "string", ".spec.kind", "What the members are."),
            Column("Cluster", "string", ".spec.cluster", "Whose nodes carry them."),
            Column("Voters", "integer", ".status.voters", "How many members vote."),
            Column("Healthy", "integer", ".status.healthy", "How many of them are healthy."),
            condition("Ready", "Ready", "Whether the group is in force."),
            condition("Degraded", "Degraded", "Whether a member is missing."),
        ),
    )


def _fleet_config(file: FileSchema) -> Kind:
    return Kind(
        "FleetConfig",
        "fleetconfigs",
        "fcfg",
        "What is said of the whole fleet. There is one, whose name is default.",
        {
            "description": "The top level of fleet.yaml, and defaults of all policies.",
            **file.mapping("", frozenset(LISTS)),
        },
        {"description": "What is.", **of_struct(FleetConfigStatus)},
        (condition("Ready", "Ready", "Whether it is in force."),),
    )


def _named(file: FileSchema, pattern: str, what: str, left_out: set[str] | None = None) -> Schema:
    """Returns the schema of an item of a list, whose name is that of the object."""
    spec = file.mapping(pattern, NAME | frozenset(left_out or ()))
    if "required" in spec:
        spec["required"] = [key for key in spec["required"] if key != "name"]
    return {**spec, "properties": {"name": _name(what), **spec["properties"]}}
