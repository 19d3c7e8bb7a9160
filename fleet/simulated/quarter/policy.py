"""The policy of the quarter's fleet, and its calendar of freezes."""

from __future__ import annotations

from fleet.simulated.shape import POOL_LABEL

FEED = "stable.yaml"
CALENDAR = "freezes.ics"
TOKEN_KEY = "access-public.pem"  # noqa: S105 - the name of a file with a public key

POLICY = f"""\
# The policy of the simulated fleet of the quarter. docs/policy.md describes every key.

streams:
  - name: stable
    file: {FEED}            # where releases are published

# Everybody is identified by a signed token: FLEET_TOKEN_FILE=people/ada.token
access:
  identity: token
  token_key: {TOKEN_KEY}
  operator: {{users: [ada, controller]}}
  approver: {{users: [ada, ben, cleo]}}
  admin: {{users: [dora]}}


schedule:
  policies: 3h
  calendars: 12h
  reports: [{{every: quarter, folder: reports, within: "30"}}]

freezes:
  - {{name: change freeze, calendar: {CALENDAR}, zone: Europe/Berlin}}

# Each site by the clocks on its own walls.
sites:
  - name: fra
    zone: Europe/Berlin
    windows: [{{from: "01:00", to: "05:00"}}]
  - name: nyc
    zone: America/New_York
    windows: [{{from: "01:00", to: "05:00"}}]
  - name: sin
    zone: Asia/Singapore
    windows: [{{from: "01:00", to: "05:00"}}]

# The smallest cluster first; a day later one of the others, then the last one.
stages:
  - name: first cluster
    clusters: [sin-1]
    gates:
      - {{name: one-day, soak: 24h}}
  - name: the others
    sites: [fra, nyc]
    sites_at_once: 1

defaults:
  stream: stable
  patch_within: 30d
  soak: 2m
  drain: {{unmanaged: hold, timeout: 30m}}
  reboot: {{timeout: 10m}}

pools:
  - name: control
    selector: {{matchLabels: {{{POOL_LABEL}: control}}}}
    limits: {{max_unavailable: 3, per_cluster: 1}}
    approvals: {{required: 1}}

  - name: workers
    selector: {{matchLabels: {{{POOL_LABEL}: workers}}}}
    upgrade:
      mode: auto
      delay: 3d
    limits: {{max_unavailable: 20%, per_zone: 30%}}
    stage: {{concurrency: 20}}
    canaries: 2
    failure_limit: 3
"""

FREEZES = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//change board//freezes//EN
BEGIN:VEVENT
UID:sale-2026@change-board
DTSTAMP:20260901T080000Z
DTSTART;VALUE=DATE:20261123
DTEND;VALUE=DATE:20261201
SUMMARY:November sale
END:VEVENT
BEGIN:VEVENT
UID:year-end-2026@change-board
DTSTAMP:20260901T080000Z
DTSTART;VALUE=DATE:20261218
DTEND;VALUE=DATE:20270104
SUMMARY:Year end
END:VEVENT
END:VCALENDAR
"""
