"""The form of a value: its description for users, and how the value is parsed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from msgspec import UnsetType

from fleet.config.document.fragment import PASSWORD, QUERY, USER_IN_URL
from fleet.core.objects.machine import NAME_MOST
from fleet.core.objects.pod import is_word
from fleet.core.policy.policy import Amount
from fleet.core.quorum.probe import ProbeTerm

T = TypeVar("T")

NAME_WORDS = "a name of letters, digits, '-', '_' and '.'"
UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
LONGEST = 30 * 86400
MOST = 1_000_000
DURATION = re.compile(r"(?=\d)(?:(\d{1,7})d)? ?(?:(\d{1,7})h)? ?(?:(\d{1,7})m)? ?(?:(\d{1,7})s)?", re.ASCII)
LABEL = re.compile(
    r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


class ValueForm(NamedTuple, Generic[T]):
    expected: str
    """A description of the expected value."""
    read: Callable[[str], T]
    """Parses a text. Raises ValueError for a text that does not have this form."""
    known: frozenset[str] = frozenset()
    """The allowed values, if they are a fixed set: the nearest one is suggested."""


def matching(expected: str, pattern: str | re.Pattern[str]) -> ValueForm[str]:
    """Returns the form of texts that match the whole pattern."""
    compiled = re.compile(pattern)

    def read(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(text)
        return text

    return ValueForm(expected, read)


def _word(text: str) -> str:
    if not is_word(text):
        raise ValueError(text)
    return text


def _order(text: str) -> int:
    return -_number(text[1:]) if text.startswith("-") else _number(text)


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


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[!-~]{1,1000}", text) or "#" in text:
        raise ValueError("it is no URL of a server")
    return _source(text)


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


def _status(text: str) -> int:
    number = _number(text)
    if not 100 <= number <= 599:
        raise ValueError(text)
    return number


def _source(text: str) -> str:
    if any(secret.search(text) for secret in (USER_IN_URL, PASSWORD, QUERY)):
        raise ValueError("it may have a secret in it")
    return _text(text)


TEXT = ValueForm("text", _text)
SCRIPT = ValueForm("text, which may have several lines", _script)
NAMESPACE = matching("the name of a namespace", r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
VERSION = ValueForm("text of at most 256 characters", _version)
URL = ValueForm("a URL such as https://10.0.0.1:9090, without user, password, ? and # in it", _url)
TITLE = matching(
    "a name of letters, digits, spaces, '-', '_' and '.'", r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,98}[A-Za-z0-9])?"
)
MATCHER = matching(
    'a matcher such as severity="critical"', r"[A-Za-z_][A-Za-z0-9_]*(?:=|!=|=~|!~)\"[^\"\\\n]{0,500}\""
)
SOURCE = ValueForm(
    "a source without user, password, ? and #, since plans, journal and reports show it", _source
)
ORDER = ValueForm("a whole number", _order)
NAME = matching(NAME_WORDS, r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
DIGEST = matching(
    "a digest such as sha256: and 64 hexadecimal digits in lower case",
    r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}",
)
KUBELET = matching("a version such as v1.36.3 or 1.36", r"v?\d{1,4}\.\d{1,4}(?:[.+-][!-~]{1,60})?")
ENDPOINT = matching(
    "a URL such as https://10.0.0.1:2379", r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?/?"
)
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

    return ValueForm(" or ".join(options), read, frozenset(options))


def one_of(names: Iterable[str], expected: str) -> ValueForm[str]:
    """Returns the form of a name out of many, described by `expected`."""
    known = frozenset(names)

    def read(text: str) -> str:
        if text not in known:
            raise ValueError(text)
        return text

    return ValueForm(expected, read, known)


ARCHITECTURE = one_of(
    ("amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64", "loong64"),
    "an architecture as Kubernetes names it, such as amd64 or arm64",
)
"""The values of the label kubernetes.io/arch: those of Go's GOARCH for which there are kubelets or images."""


def count(least: int) -> ValueForm[int]:
    def read(text: str) -> int:
        number = _number(text)
        if number < least:
            raise ValueError(text)
        return number

    return ValueForm(f"a whole number from {least} on", read)


def _failures(text: str) -> int | Amount:
    number = _number(text.removesuffix("%"))
    if number < 1 or (text.endswith("%") and number > 100):
        raise ValueError(text)
    return Amount(number, True) if text.endswith("%") else number


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,7}", text) or int(text) > MOST:
        raise ValueError(text)
    return int(text)


def _amount(text: str) -> Amount | None:
    if text == "none":
        return None
    percent = text.endswith("%")
    number = _number(text.removesuffix("%"))
    if percent and number > 100:
        raise ValueError(text)
    return Amount(number, percent)


def _optional_count(text: str) -> int | None:
    return count(1).read(text)


def _port(text: str) -> int:
    number = _number(text)
    if not 0 < number < 65536:
        raise ValueError(text)
    return number


def _term(text: str) -> ProbeTerm | None:
    path, is_given, values = text.partition("=")
    found = PATH.read(path)
    if not is_given:
        return ProbeTerm(found)
    if not all(values.split("|")) or not values.isprintable():
        raise ValueError(text)
    return ProbeTerm(found, tuple(values.split("|")))


def _http_path(text: str) -> str:
    """Returns a path below the member's own root. A path that leads out of the root (`..`, in any spelling) would be
    another path of the API server, which passes the request on."""
    path = text.partition("?")[0]
    if (
        not re.fullmatch(r"/[!-~]{0,999}", text)
        or "#" in text
        or re.search(r"%(?:2[ef]|5c|25)|\\", path, re.IGNORECASE)
    ):
        raise ValueError(text)
    if {".", ".."} & set(path.split("/")):
        raise ValueError(text)
    return text


HTTP_PATH = ValueForm("a path such as /health?ready=1, without . or .. in it", _http_path)
OPTIONAL_COUNT = ValueForm(count(1).expected, _optional_count)
"""A whole number from 1 on, of a key whose default is None."""
DECIMAL: ValueForm[float | None] = ValueForm("a number such as 0.02", _decimal)
WARINESS: ValueForm[float | UnsetType] = ValueForm("a number from 0 to 1, such as 0.5", _wariness)
SHARE = ValueForm("a percentage from 0% to 100%, such as 12.5%", _share)
STATUS = ValueForm("a status of HTTP, 100 to 599", _status)
PORT = ValueForm("a port, 1 to 65535", _port)
TERM: ValueForm[ProbeTerm | None] = ValueForm(
    "keys with dots between and the expected value, such as role=leader|primary (alone: true)", _term
)
FAILURES: ValueForm[int | Amount] = ValueForm("a whole number from 1 on, or a percentage", _failures)
AMOUNT = ValueForm("a number of nodes, a percentage from 0% to 100%, or none", _amount)


def seconds(least: int) -> ValueForm[int]:
    """Returns the form of a duration, read as whole seconds."""

    def read(text: str) -> int:
        found = DURATION.fullmatch(text)
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
        "a duration such as 90s, 5m or 1h30m" + (", not zero" if least else "") + ", at most 30d", read
    )


def _grace(text: str) -> int | None:
    return None if text == "pod" else seconds(0).read(text)


GRACE = ValueForm("a duration such as 90s or 5m, or pod (each pod's own)", _grace)
