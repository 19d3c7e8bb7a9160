"""A valid policy with every key, and the files that it names."""

from __future__ import annotations

from pathlib import Path

TEXT = (Path(__file__).parent / "rich.yaml").read_text(encoding="utf-8")
CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//fleet//EN
BEGIN:VEVENT
UID:1@example.com
DTSTAMP:20261001T000000Z
DTSTART:20261208T220000Z
DTEND:20261209T020000Z
SUMMARY:night
END:VEVENT
END:VCALENDAR
"""
FILES = {
    "releases.yaml": "releases: [{version: '2.0', advisories: [{id: CVE-1}]}, {version: '2.1', upgrades_from: ['2.0']}]\n",
    "flatcar.gpg": "x",
    "holidays.ics": CALENDAR,
    "maintenance.ics": CALENDAR,
    "play.yaml": "- hosts: all\n",
    "job.yaml": "{apiVersion: batch/v1, kind: Job, spec: {template: {spec: {containers: [{name: x, image: x}]}}}}\n",
}


def write_files(folder: Path) -> None:
    """Writes the files that the policy names."""
    for name, text in FILES.items():
        (folder / name).write_text(text.replace("\n", "\r\n") if name.endswith(".ics") else text)
