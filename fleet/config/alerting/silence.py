"""Reads which alerts are silenced while a node is worked on: the part `silences` of a pool."""

from __future__ import annotations

from fleet.config.document import forms, network_forms
from fleet.config.document.reader import Reader
from fleet.core.policy.alerting.silence import CLUSTER, NODE, SilenceRule

LABEL = forms.matching("a label's name such as instance", r"[A-Za-z_][A-Za-z0-9_]{0,99}")
VALUE = forms.matching(
    "a value that is not empty, such as {node} or {node}:9100; it is compared by equality, and only {node} and {cluster} "
    "are replaced",
    r"(?:[^{}\x00-\x1f\x7f]|\{node\}|\{cluster\}){1,500}",
    most=4500,
)
SERVER = forms.ValueForm(
    "a URL such as http://alertmanager.{cluster}:9093, without user, password, ? and # in it",
    lambda text: network_forms.URL.read(text) if not _odd(text) else _refuse(text),
    schema=network_forms.URL.schema,
)


def silences(reader: Reader, base: tuple[SilenceRule, ...] = ()) -> tuple[SilenceRule, ...]:
    """Reads the key `silences`; `base` counts where there is none."""
    parts = reader.blocks("silences")
    found = [_silence(part) for part in parts]
    names: set[str] = set()
    for part, rule in zip(parts, found, strict=True):
        if rule.name and rule.name in names:
            part.problem("expected each name once, found it again", "name")
        names.add(rule.name)
    return tuple(found) if reader.has("silences") else base


def _silence(reader: Reader) -> SilenceRule:
    rule = SilenceRule(
        name=reader.required("name", forms.NAME, ""),
        alertmanager=reader.required("alertmanager", SERVER, ""),
        matchers=reader.pairs("matchers", LABEL, VALUE),
        required=reader.flag("required", False),
        token_file=reader.value("token_file", forms.FILE, ""),
        ca_file=reader.value("ca_file", forms.FILE, ""),
    )
    if not any(NODE in value for value in rule.matchers.values()):
        reader.problem(
            f"expected {NODE} in at least one value, found none: other nodes would be silenced", "matchers"
        )
    return rule


def needs_cluster(rule: SilenceRule) -> bool:
    """Returns whether the rule would silence nodes of the same name in other clusters too."""
    return CLUSTER not in rule.alertmanager and not any(CLUSTER in value for value in rule.matchers.values())


def _odd(text: str) -> bool:
    """Returns whether something other than {cluster} is in braces."""
    return any(brace in text.replace(CLUSTER, "") for brace in "{}")


def _refuse(text: str) -> str:
    raise ValueError(text)
