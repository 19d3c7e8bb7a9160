"""The rules in CEL of the CRDs: what `fleet.config` checks within one object, by the key of the mapping that it is about.

What needs other objects, files or the calendar is checked by fleet alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

RESERVED = ("for", "namespace")
"""Words that are escaped in CEL when they are keys (Kubernetes, "Validation rules")."""
RECURRING = ("rrule", "start", "duration", "except", "shift")
OF_ETCD = ("endpoints", "ca", "cert", "key", "snapshot", "defragment", "lastVoterWait")
OF_PODS = ("namespace", "selector", "voters", "probe")


class Rule(NamedTuple):
    rule: str
    message: str


def field(key: str) -> str:
    return f"self.__{key}__" if key in RESERVED else f"self.{key}"


def has(key: str) -> str:
    return f"has({field(key)})"


def some(*keys: str) -> str:
    return "(" + " || ".join(has(key) for key in keys) + ")"


def exactly_one(keys: Sequence[str]) -> Rule:
    listed = ", ".join(has(key) for key in keys)
    return Rule(f"[{listed}].exists_one(given, given)", f"expected exactly one of {', '.join(keys)}")


def at_most_one(*keys: str) -> Rule:
    listed = ", ".join(has(key) for key in keys)
    return Rule(f"[{listed}].filter(given, given).size() <= 1", f"expected at most one of {', '.join(keys)}")


GATES = ("soak", "operator", "prometheus", "alerts", "http", "command", "workloads")
HOOKS = ("command", "shell", "http", "playbook", "job")
FEEDS = ("fedoraCoreos", "cincinnati", "flatcar", "image", "url")
MEASURED = ("for", "every", "bad", "timeout")

WINDOW = (
    Rule(
        f"!{has('calendar')} || !{some('days', 'from', 'to', *RECURRING)}",
        "expected a calendar alone, with its zone",
    ),
    Rule(
        f"!{some('days', 'from', 'to')} || !{some(*RECURRING)}",
        "expected either days, from and to, or start and duration with an rrule",
    ),
    Rule(
        f"{some('calendar', *RECURRING)} || ({has('from')} && {has('to')})", "expected from and to together"
    ),
    Rule(
        f"!{some(*RECURRING)} || ({has('start')} && {has('duration')})",
        "expected start and duration together",
    ),
    Rule(
        f"!{has('from')} || !{has('to')} || self.from != self.to",
        "expected another time than from in to (a whole day is 00:00 to 24:00)",
    ),
)
REQUIREMENT = (
    Rule(
        "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
        "expected values of In and NotIn, and none of Exists and DoesNotExist",
    ),
)
GATE = (
    exactly_one(GATES),
    Rule(
        f"!{some('soak', 'operator')} || !{some(*MEASURED)}",
        "expected no for, every, bad and timeout beside soak and operator",
    ),
    Rule(
        f"!{has('workloads')} || !{has('bad')}", "expected no bad beside workloads: it fails by timeout alone"
    ),
    Rule(f"!{has('operator')} || self.operator", "expected operator true: leave the gate out"),
    Rule(f"!{has('workloads')} || self.workloads", "expected workloads true: leave the gate out"),
)

RULES: dict[str, tuple[Rule, ...]] = {
    "windows[]": WINDOW,
    "matchExpressions[]": REQUIREMENT,
    "gates[]": GATE,
    "prometheus": (
        Rule(some("below", "above"), "expected below, above or both"),
        Rule(
            f"!{has('below')} || !{has('above')} || self.above < self.below",
            "expected above to be less than below",
        ),
    ),
    "hook": (exactly_one(HOOKS),),
    "hook.job": (exactly_one(("file", "template")),),
    "hook.secrets": (
        Rule(
            "self.all(name, !name.startsWith('FLEET_'))", "expected variables that do not begin with FLEET_"
        ),
    ),
    "rules[]": (
        Rule("has(self.pods) || self.do == 'evict'", "expected pods, unless the pods are evicted"),
        Rule("!has(self.timeout) || self.do in ['wait', 'ask']", "expected a timeout of wait and ask alone"),
    ),
    "rules[].pods[]": (
        Rule(
            some("namespaces", "selector", "annotations", "owners"),
            "expected at least one of namespaces, selector, annotations and owners",
        ),
    ),
    "silences[].matchers": (
        Rule(
            "self.exists(label, self[label].contains('{node}'))",
            "expected {node} in at least one value: other nodes would be silenced",
        ),
    ),
    "soaked_in[]": (exactly_one(("pool", "stage")),),
    "streams[]": (exactly_one(("releases", "feed")),),
    "streams[].feed": (exactly_one(FEEDS),),
    "freezes[]": (
        Rule(
            f"{has('calendar')} ? !{some('from', 'until')} : ({has('from')} && {has('until')})",
            "expected either from and until, or a calendar",
        ),
    ),
    "quorums[]": (
        Rule(
            f"(has(self.kind) && self.kind != 'etcd') || !{some(*OF_PODS)}",
            "expected no namespace, selector, voters and probe of a group of kind etcd",
        ),
        Rule(
            f"!has(self.kind) || self.kind == 'etcd' || !{some(*OF_ETCD)}",
            "expected no keys of etcd of a group of another kind",
        ),
        Rule(
            f"!has(self.kind) || self.kind == 'etcd' || ({has('namespace')} && has(self.selector))",
            "expected namespace and selector: which pods are the members",
        ),
        Rule("has(self.cert) == has(self.key)", "expected cert and key together"),
    ),
    "quorums[].snapshot": (Rule("has(self.directory)", "expected directory: where snapshots are kept"),),
    "quorums[].probe": (
        at_most_one("http", "exec"),
        at_most_one("index", "lag"),
        Rule(
            "!has(self.members) || has(self.name)", "expected name: the key of a member's name in that list"
        ),
    ),
    "quorums[].probe.http": (Rule("has(self.port)", "expected port"),),
    "notifications[]": (exactly_one(("urlFile", "urlEnv")),),
    "access": (
        Rule(
            "!has(self.identity) || self.identity != 'token' || has(self.tokenKey)",
            "expected tokenKey, with which tokens are checked",
        ),
        Rule(
            "!has(self.identity) || self.identity != 'kubernetes' || has(self.cluster)",
            "expected cluster, whose API server says who a user is",
        ),
        Rule(
            "has(self.admin) && ((has(self.admin.users) && self.admin.users.size() > 0)"
            " || (has(self.admin.groups) && self.admin.groups.size() > 0))",
            "expected at least one user or group in admin",
        ),
    ),
}
"""The rules by the end of the key, as `fleet.yaml` spells it."""

NAMED = Rule("self.metadata.name.size() <= 100", "expected a name of at most 100 characters")
OBJECTS: dict[str, tuple[Rule, ...]] = {
    "UpgradePolicy": (
        NAMED,
        Rule(
            "!has(self.spec.upgrade) || !has(self.spec.upgrade.soakedIn)"
            " || self.spec.upgrade.soakedIn.all(soak, !has(soak.pool) || soak.pool != self.metadata.name)",
            "expected another policy in upgrade.soakedIn",
        ),
    ),
    "ReleaseStream": (NAMED,),
    "Freeze": (NAMED,),
    "QuorumGroup": (NAMED,),
    "FleetConfig": (
        Rule("self.metadata.name == 'default'", "expected the name default: there is one FleetConfig"),
    ),
    "Rollout": (NAMED,),
}
"""The rules of whole objects, by kind."""


def unchanging(key: str) -> Rule:
    return Rule(
        f"has(self.{key}) == has(oldSelf.{key}) && (!has(self.{key}) || self.{key} == oldSelf.{key})",
        f"{key} cannot be changed: make another Rollout",
    )


SPECS: dict[str, tuple[Rule, ...]] = {
    "UpgradePolicy": (at_most_one("stream", "releases", "feed"),),
    "Rollout": (
        Rule("self.policies == oldSelf.policies", "policies cannot be changed: make another Rollout"),
        unchanging("version"),
        unchanging("plan"),
        unchanging("overrideFreeze"),
        Rule(
            "!has(oldSelf.aborted) || !oldSelf.aborted || (has(self.aborted) && self.aborted)",
            "aborted cannot be undone: make another Rollout",
        ),
    ),
}
"""The rules of specs, by kind, beside those of their keys."""


def rules_of(pattern: str) -> tuple[Rule, ...]:
    """Returns the rules of a mapping, by the longest end of its key that has any."""
    parts = pattern.split(".")
    ends = (".".join(parts[start:]) for start in range(len(parts)))
    return next((RULES[end] for end in ends if end in RULES), ())
