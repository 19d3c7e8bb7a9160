"""A report as one HTML page: nothing is fetched, everything is escaped, and it works without scripts."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from itertools import islice
from typing import NamedTuple

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from fleet.cli.report import answer, approvals, hooks, timeline
from fleet.core.planning.plan import short_id
from fleet.core.records.journal import JournalEntry
from fleet.core.reporting.report import Report
from fleet.core.text.durations import format_duration
from fleet.core.text.visible import visible, visible_lines

ROW = 18
"""Pixels of a node's row in the timeline."""
PACKED_ROW = 9
BAR_TOP = 3
"""Pixels above a bar in its row; the style has the height of the bar."""
PACKED_BAR_TOP = 1
LONGEST_NAME = 30
"""Characters of a node's name beside the timeline; the table has it whole."""
CHUNK = 500
"""Lines of the journal that a browser lays out at once."""
LEGEND = {
    "stage": "write the image",
    "staged": "staged, waits for a slot",
    "cordon": "cordon",
    "drain": "drain",
    "reboot": "reboot",
    "verify": "verify",
    "uncordon": "uncordon",
    "soak": "soak",
    "return": "give back",
    "failed": "failed",
}


class PagePart(NamedTuple):
    """A part of the bar that shows what became of the nodes."""

    name: str
    nodes: int
    left: str
    width: str


def page(report: Report) -> str:
    """Returns the whole HTML document."""
    lines = timeline.timeline(report)
    used = {bar.step for group in lines.groups for track in group.tracks for bar in track.bars}
    return document(
        "report.html",
        f":root {{ --names: {_names(lines)}ch; --wide: {lines.breadth}px }}\n",
        report=report,
        answer=answer,
        approvals=approvals,
        hooks=hooks,
        clock=lambda moment: answer.clock(moment, report),
        lines=lines,
        row=PACKED_ROW if lines.packed else ROW,
        bar_top=PACKED_BAR_TOP if lines.packed else BAR_TOP,
        legend={step: meaning for step, meaning in LEGEND.items() if step in used},
        parts=list(_parts(report)),
        several=len(report.clusters) > 1,
        journal=_journal(report),
    )


def document(template: str, more_style: str, **values: object) -> str:
    """Returns the template as a document that fetches nothing, and in which nothing but fleet's own style and script
    takes effect."""
    style = f"{source('report.css')}\n{more_style}"
    script = source("report.js")
    # What default-src does not cover is named: where forms and relative links would lead.
    closed = "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:"
    policy = f"{closed}; style-src {_hash(style)}; script-src {_hash(script)}"
    return (
        _environment()
        .get_template(template)
        .render(
            # Our own files, not data: they are put in as they are, and the policy names their hashes.
            style=Markup(style),  # noqa: S704
            script=Markup(script),  # noqa: S704
            policy=policy,
            **values,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(source),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "words": _duration,
        "number": answer.number,
        "name": answer.named,
        "short_id": short_id,
    }
    return environment


def _shown(value: object) -> object:
    """Returns text that is safe in the page: markup is fleet's own, and any other text may be a cluster's."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible_lines(value)
    return value


def source(name: str) -> str:
    """Returns the text of a file beside this one."""
    return (files("fleet.cli.report") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _duration(seconds: float | None) -> str:
    return format_duration(seconds) if seconds is not None else "–"


def _names(lines: timeline.TimelineView) -> int:
    """Returns the width of the names beside the timeline, in characters."""
    names = [len(run.node) + 2 * run.canary for group in lines.groups for run in group.nodes]
    return min(max(names, default=-2), LONGEST_NAME) + 2


def _parts(report: Report) -> Iterator[PagePart]:
    counts, left = report.counts, 0.0
    for name, count in (
        ("done", counts.done),
        ("running", counts.running),
        ("waiting", counts.waiting),
        ("cancelled", counts.cancelled),
        ("failed", counts.failed),
    ):
        if count:
            share = count / counts.nodes
            yield PagePart(name, count, timeline.percent(left), timeline.percent(share))
            left += share


def _journal(report: Report) -> Iterator[str]:
    """Yields the lines of the journal, in chunks."""
    lines = (_line(entry, report) for entry in report.entries)
    while chunk := list(islice(lines, CHUNK)):
        yield "\n".join(chunk)


def _line(entry: JournalEntry, report: Report) -> str:
    record = entry.record
    what = f"{record.form} {record.kind}"
    text = answer.entry_words(entry)
    by = entry.actor if record.form == "command" else str(entry.epoch)
    line = (
        f"{entry.seq:>7}  {answer.clock(entry.at, report)}  {answer.short(entry.hash)}  {by:<3}  {what:<16}  "
    )
    return visible(f"{line}{record.node or '-'}  {text}").rstrip()
