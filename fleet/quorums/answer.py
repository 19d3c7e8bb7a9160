"""Parses the answer of a member, and finds values in it."""

from __future__ import annotations

import re
from typing import Any

from fleet.core.quorum.probe import Probe, ProbeTerm
from fleet.core.text.untrusted import LONGEST_NUMBER, UnreadableError, decode

MOST_BYTES = 4 << 20
SHOWN = 256
"""The most characters of a value that are compared and shown: no term of a policy is longer."""
_INDEX = re.compile("[0-9]{1,6}")


class UnreadableAnswer(ValueError):
    """An answer that the probe cannot parse; the message has the reason."""


def parse(body: bytes, probe: Probe) -> Any:
    """Parses an answer: for `json` any value; for `lines` and `metrics` a mapping; for `table` a mapping with `rows`.
    Raises UnreadableAnswer."""
    if len(body) > MOST_BYTES:
        raise UnreadableAnswer(f"the answer is larger than {MOST_BYTES >> 20} MiB")
    try:
        if probe.answer == "json":
            return decode(body)
        text = body.decode()
    except (UnreadableError, UnicodeDecodeError) as error:
        raise UnreadableAnswer(f"the answer is not {probe.answer}: {error}") from None
    match probe.answer:
        case "lines":
            return dict(line.split(None, 1) for line in text.splitlines() if len(line.split(None, 1)) == 2)
        case "table":
            return _table(text)
        case _:
            return _metrics(text)


def found(answer: Any, path: str) -> Any:
    """Returns the value at a path; None where there is none. A key that equals the whole path takes precedence, even
    with dots in it."""
    if isinstance(answer, dict) and path in answer:
        return answer[path]
    for key in path.split("."):
        if isinstance(answer, dict):
            answer = answer.get(key)
        elif isinstance(answer, list) and _INDEX.fullmatch(key) and int(key) < len(answer):
            answer = answer[int(key)]
        else:
            return None
    return answer


def holds(answer: Any, term: ProbeTerm) -> bool:
    return shown(found(answer, term.path)) in term.values


def number(answer: Any, path: str) -> int | None:
    """Returns a whole number of up to 64 bits, also from a text; None where there is none."""
    value = found(answer, path)
    if isinstance(value, bool) or (isinstance(value, str) and len(value) > LONGEST_NUMBER):
        return None
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return whole if abs(whole) < 2**63 else None


def shown(value: Any) -> str:
    """Returns a value in the spelling of a policy's terms."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)[:SHOWN]


def _table(text: str) -> dict[str, list[dict[str, str]]]:
    """Parses a table whose columns are separated by tabs or spaces; values contain no spaces."""
    head, *rest = [line.split() for line in text.splitlines() if line.strip()] or [[]]
    return {"rows": [dict(zip(head, row, strict=True)) for row in rest if len(row) == len(head)]}


def _metrics(text: str) -> dict[str, float]:
    """Parses metrics and sums up samples of the same name. Raises UnreadableAnswer."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name = line.partition("{")[0] if "{" in line else line.split(None, 1)[0]
        rest = line.rpartition("}")[2] if "{" in line else line[len(name) :]
        try:
            sums[name.strip()] = sums.get(name.strip(), 0.0) + float(rest.split()[0])
        except (IndexError, ValueError):
            raise UnreadableAnswer(f"the answer is not metrics: {line[:80]!r}") from None
    return sums
