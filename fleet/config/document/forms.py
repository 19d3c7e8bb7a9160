"""The form of a value: its description for users, and how the value is parsed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import UnsetType

from fleet.core.objects.machine import NAME_MOST
from fleet.core.objects.pod import is_word
from fleet.core.policy.policy import Amount
from fleet.core.quorum.probe import ProbeTerm

T = TypeVar("T")

NAME_WORDS = "a name of letters, digits, '-', '_' and '.'"
UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
LONGEST = 30 * 86400
MOST = 1_000_000
# Patterns are texts: a file has values of few forms, and `re` keeps what it has compiled.
DURATION = r"(?=\d)(?:(\d{1,7})d)? ?(?:(\d{1,7})h)? ?(?:(\d{1,7})m)? ?(?:(\d{1,7})s)?"
DURATION_IN_GO = r"0|[0-9][0-9dhm ]*[dhms]"
NUMBER = r"0?[0-9]{1,6}|1000000"
PERCENT = r"0{0,5}[0-9]{1,2}%|0{0,4}100%"
LABEL = r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
LABEL_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"


class ValueForm(NamedTuple, Generic[T]):
    expected: str
    """A description of the expected value."""
    read: Callable[[str], T]
    """Parses a text. Raises ValueError for a text that does not have this form."""
    known: frozenset[str] = frozenset()
    """The allowed values, if they are a fixed set: the nearest one is suggested."""
    schema: Mapping[str, Any] = {"type": "string", "minLength": 1}
    """The OpenAPI schema of the values in objects of the API. It allows every value of this form; where it allows more,
    the reader decides."""


def text_schema(pattern: str, most: int | None = None) -> dict[str, Any]:
    """Returns the schema of texts that match the whole pattern, which must be one for Go too. `most`: how long they can
    be, where a rule has to know."""
    longest = {} if most is None else {"maxLength": most}
    return {"type": "string", **longest, "pattern": f"^(?:{pattern})$"}


def number_schema(type_: str, least: float, most: float) -> dict[str, Any]:
    return {"type": type_, "minimum": least, "maximum": most}


def number_or_text(least: int, most: int, pattern: str) -> dict[str, Any]:
    """Returns the schema of a number or a text, such as a percentage."""
    texts = {"pattern": f"^(?:{pattern})$", "anyOf": [{"type": "integer"}, {"type": "string"}]}
    return {"x-kubernetes-int-or-string": True, "minimum": least, "maximum": most, **texts}


def matching(expected: str, pattern: str, in_go: str = "", most: int | None = None) -> ValueForm[str]:
    """Returns the form of texts that match the whole pattern. `in_go`: the pattern of the schema where Go cannot read
    this one. `most`: how long such texts can be, where a rule of the schema has to know."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return ValueForm(expected, read, schema=text_schema(in_go or pattern, most))


def _word(text: str) -> str:
    if not is_word(text):
        raise ValueError(text)
    return text


def _order(text: str) -> int:
    return -number(text[1:]) if text.startswith("-") else number(text)


def _text(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError(text)
    return text


def _script(text: str) -> str:
    if not text or not text.replace("\n", " ").replace("\t", " ").isprintable():
        raise ValueError(text)
    return text


def _version(text: str) -> str:
    if len(text) > NAME_MOST:
        raise ValueError(text)
    return _text(text)


def _decimal(text: str) -> float | None:
    if not re.fullmatch(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?", text):
        raise ValueError(text)
    return float(text)


def _wariness(text: str) -> float:
    if not re.fullmatch(r"[01](?:\.[0-9]{1,6})?", text) or float(text) > 1:
        raise ValueError(text)
    return float(text)


def _share(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,3}(?:\.[0-9]{1,4})?%", text) or float(text[:-1]) > 100:
        raise ValueError(text)
    return float(text[:-1]) / 100


TEXT = ValueForm("text", _text)
FILE = TEXT._replace(expected="text")
"""The path of a file that has to be where fleet runs."""
SCRIPT = ValueForm("text, which may have several lines", _script)
NAMESPACE = matching("the name of a namespace", r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
VERSION = ValueForm(
    "text of at most 256 characters",
    _version,
    schema={"type": "string", "minLength": 1, "maxLength": NAME_MOST},
)
TITLE = matching(
    "a name of letters, digits, spaces, '-', '_' and '.'", r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,98}[A-Za-z0-9])?"
)
MATCHER = matching(
    'a matcher such as severity="critical"', r"[A-Za-z_][A-Za-z0-9_]*(?:=|!=|=~|!~)\"[^\"\\\n]{0,500}\""
)
ORDER = ValueForm("a whole number", _order, schema=number_schema("integer", -MOST, MOST))
NAME = matching(NAME_WORDS, r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
DIGEST = matching(
    "a digest such as sha256: and 64 hexadecimal digits in lower case",
    r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}",
)
KUBELET = matching("a version such as v1.36.3 or 1.36", r"v?\d{1,4}\.\d{1,4}(?:[.+-][!-~]{1,60})?")
PATH = matching("keys with dots between, such as servers.0.lag", r"[^.\s=]+(?:\.[^.\s=]+)*")
LABEL_KEY = matching("a label such as example.com/pool", LABEL)
WORD = ValueForm("a word of at most 20 letters and '-', such as \"true\"", _word)
"""The form of the only annotation values of pods that are kept: see `fleet.core.objects.pod`."""
KIND = matching("a kind such as Job, or none", r"[A-Z][A-Za-z0-9]{0,62}|none")
LABEL_TEXT = matching("a label's value (at most 63 letters, digits, '-', '_' and '.')", LABEL_VALUE)


def choice(options: Mapping[str, T]) -> ValueForm[T]:
    """Returns the form of a value out of a few options."""

    def read(text: str) -> T:
        if text not in options:
            raise ValueError(text)
        return options[text]

    return ValueForm(
        " or ".join(options), read, frozenset(options), {"type": "string", "enum": list(options)}
    )


def one_of(names: Iterable[str], expected: str) -> ValueForm[str]:
    """Returns the form of a name out of many, described by `expected`. Its schema allows every text: which names there
    are, the rest of the document says, or the computer."""
    known = frozenset(names)

    def read(text: str) -> str:
        if text not in known:
            raise ValueError(text)
        return text

    return ValueForm(expected, read, known, {"type": "string", "minLength": 1, "maxLength": NAME_MOST})


def one_of_these(names: Sequence[str], expected: str) -> ValueForm[str]:
    """Returns the form of a name out of a few that never change."""
    return one_of(names, expected)._replace(schema={"type": "string", "enum": list(names)})


ARCHITECTURE = one_of_these(
    ("amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64", "loong64"),
    "an architecture as Kubernetes names it, such as amd64 or arm64",
)
"""The values of the label kubernetes.io/arch: those of Go's GOARCH for which there are kubelets or images."""


def count(least: int) -> ValueForm[int]:
    def read(text: str) -> int:
        found = number(text)
        if found < least:
            raise ValueError(text)
        return found

    return ValueForm(f"a whole number from {least} on", read, schema=number_schema("integer", least, MOST))


def _failures(text: str) -> int | Amount:
    found = number(text.removesuffix("%"))
    if found < 1 or (text.endswith("%") and found > 100):
        raise ValueError(text)
    return Amount(found, True) if text.endswith("%") else found


def number(text: str) -> int:
    """Returns the whole number. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{1,7}", text) or int(text) > MOST:
        raise ValueError(text)
    return int(text)


def _amount(text: str) -> Amount | None:
    if text == "none":
        return None
    percent = text.endswith("%")
    found = number(text.removesuffix("%"))
    if percent and found > 100:
        raise ValueError(text)
    return Amount(found, percent)


def _optional_count(text: str) -> int | None:
    return count(1).read(text)


def _term(text: str) -> ProbeTerm | None:
    path, is_given, values = text.partition("=")
    found = PATH.read(path)
    if not is_given:
        return ProbeTerm(found)
    if not all(values.split("|")) or not values.isprintable():
        raise ValueError(text)
    return ProbeTerm(found, tuple(values.split("|")))


OPTIONAL_COUNT = ValueForm(count(1).expected, _optional_count, schema=count(1).schema)
"""A whole number from 1 on, of a key whose default is None."""
DECIMAL: ValueForm[float | None] = ValueForm(
    "a number such as 0.02", _decimal, schema=number_schema("number", -1e15, 1e15)
)
WARINESS: ValueForm[float | UnsetType] = ValueForm(
    "a number from 0 to 1, such as 0.5", _wariness, schema=number_schema("number", 0, 1)
)
SHARE = ValueForm(
    "a percentage from 0% to 100%, such as 12.5%",
    _share,
    schema=text_schema(r"(?:0?[0-9]{1,2}(?:\.[0-9]{1,4})?|100(?:\.0{1,4})?)%"),
)
TERM: ValueForm[ProbeTerm | None] = ValueForm(
    "keys with dots between and the expected value, such as role=leader|primary (alone: true)", _term
)
FAILURES: ValueForm[int | Amount] = ValueForm(
    "a whole number from 1 on, or a percentage",
    _failures,
    schema=number_or_text(1, MOST, r"0{0,5}[1-9][0-9]{0,5}|1000000|0{0,5}[1-9][0-9]?%|0{0,4}100%"),
)
AMOUNT = ValueForm(
    "a number of nodes, a percentage from 0% to 100%, or none",
    _amount,
    schema=number_or_text(0, MOST, f"{NUMBER}|{PERCENT}|none"),
)
FLAG = ValueForm("true or false", lambda text: text == "true", schema={"type": "boolean"})


def seconds(least: int) -> ValueForm[int]:
    """Returns the form of a duration, read as whole seconds."""

    def read(text: str) -> int:
        found = re.fullmatch(DURATION, text, re.ASCII)
        if text == "0":
            total = 0
        elif found is None or not any(found.groups()) or text.endswith(" "):
            raise ValueError(text)
        else:
            total = sum(
                int(part or 0) * size for part, size in zip(found.groups(), UNITS.values(), strict=True)
            )
        if not least <= total <= LONGEST:
            raise ValueError(text)
        return total

    return ValueForm(
        "a duration such as 90s, 5m or 1h30m" + (", not zero" if least else "") + ", at most 30d",
        read,
        schema=text_schema(DURATION_IN_GO),
    )


def _grace(text: str) -> int | None:
    return None if text == "pod" else seconds(0).read(text)


GRACE = ValueForm(
    "a duration such as 90s or 5m, or pod (each pod's own)",
    _grace,
    schema=text_schema(f"{DURATION_IN_GO}|pod"),
)
