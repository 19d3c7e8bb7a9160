"""Reads the whole file: from its text to a policy and cautions."""

from __future__ import annotations

from pathlib import Path

from msgspec import UNSET, Struct

from fleet.config.access import access
from fleet.config.alerting.notification import notifications
from fleet.config.document.findings import Caution, Findings, SourcePlace, TooMany
from fleet.config.document.fragment import Block, compose
from fleet.config.document.reader import Reader
from fleet.config.gate import stages
from fleet.config.hook import hooks
from fleet.config.pool import limits, pools
from fleet.config.quorum import quorums
from fleet.config.stream import streams, text_of
from fleet.config.times.freeze import freezes
from fleet.config.times.schedule import schedule
from fleet.config.times.window import levels
from fleet.core.jobs.settings import ScheduleSettings
from fleet.core.policy.access import Access
from fleet.core.policy.alerting.notification import Notification
from fleet.core.policy.policy import Limits, Policy
from fleet.core.policy.times.calendar_events import CalendarVersion
from fleet.core.records.errors import ConfigError, UsageError
from fleet.core.releases.feed import StreamFeed

INIT = "fleet init writes a commented one"


class PolicyFile(Struct, frozen=True):
    """The content of the whole file."""

    policy: Policy = Policy()
    access: Access = Access()
    schedule: ScheduleSettings = ScheduleSettings()
    feeds: tuple[str, ...] = ()
    """The URLs of the calendars that it names. They may be secrets, and are no part of a plan."""
    calendars: dict[str, CalendarVersion] = {}
    """The texts of its calendars, by name."""
    stale: tuple[str, ...] = ()
    """The calendars that could not be read when they were last fetched: why, and from when their copies are."""
    notifications: tuple[Notification, ...] = ()
    release_feeds: tuple[StreamFeed, ...] = ()
    """The streams that get their releases from feeds."""


def load(path: Path) -> tuple[Policy, tuple[Caution, ...]]:
    """Reads the policy with its cautions. Raises UsageError where there is no such file or it cannot be read, and
    ConfigError with all its mistakes."""
    found, cautions = load_file(path)
    return found.policy, cautions


def load_file(path: Path) -> tuple[PolicyFile, tuple[Caution, ...]]:
    """Reads the whole file, as `load` does, with what is not part of the policy of a plan."""
    try:
        text = text_of(path)
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist", INIT) from None
    except OSError as wrong:
        raise UsageError(f"{path} cannot be read: {wrong.strerror or wrong}", "check its owner") from wrong
    except ValueError as wrong:
        raise UsageError(f"{path} cannot be read: it {wrong}", "expected a text file in UTF-8") from wrong
    return _parsed(text, str(path))


def loads(text: str, name: str = "fleet.yaml") -> tuple[Policy, tuple[Caution, ...]]:
    """Reads the policy from a text. `name` is the file's name in messages; feed files are searched beside it. Raises
    ConfigError."""
    found, cautions = _parsed(text, name)
    return found.policy, cautions


def _parsed(text: str, name: str) -> tuple[PolicyFile, tuple[Caution, ...]]:
    findings = Findings()
    hint = f"fix {name}; docs/policy.md has every key"
    try:
        found = read(text, name, findings)
    except TooMany:
        raise ConfigError(
            [
                *findings.problems,
                f"{name}: more than {len(findings.problems)} problems: the rest was not checked",
            ],
            hint,
        ) from None
    if findings.problems:
        raise ConfigError(findings.problems, hint)
    return found, findings.cautions


def read(text: str, name: str, findings: Findings) -> PolicyFile:
    """Returns the file as far as the text can be read; it may be used only if `findings` has no problems. Raises
    TooMany."""
    document = compose(text, name, findings)
    if not isinstance(document, Block):
        if document is not None or not findings.problems:
            findings.problem(SourcePlace(name, 1), "expected a mapping with the key pools, found none")
        return PolicyFile()
    return read_document(Reader(document, name, findings), Path(name).parent)


def read_document(reader: Reader, folder: Path) -> PolicyFile:
    """Returns the content of the document; it may be used only if the findings have no problems. `folder`: the one to
    which paths are relative. Raises TooMany."""
    findings = reader.findings
    known = streams(reader, folder)
    every_pool = pools(reader, known)
    given = freezes(reader, [pool.name for pool in every_pool])
    policy = Policy(
        pools=every_pool,
        streams=known,
        limits=limits(reader.block("limits"), Limits(max_unavailable=None)),
        freezes=given.fixed,
        calendars=given.calendars or UNSET,
        levels=levels(reader) or UNSET,
        quorums=quorums(reader, folder),
        stages=stages(reader, every_pool) or UNSET,
        hooks=hooks(reader, "rollout"),
    )
    found = PolicyFile(
        policy,
        access(reader),
        schedule(reader.block("schedule"), [pool.name for pool in every_pool]),
        tuple(sorted(findings.feeds)),
        findings.calendars,
        tuple(dict.fromkeys(findings.stale)),
        notifications(reader, every_pool),
        tuple(StreamFeed(stream, source) for stream, source in sorted(findings.release_feeds.items())),
    )
    reader.close()
    return found


def default_policy_text() -> str:
    """Returns the file that `fleet init` writes: every key with its meaning, in a policy that is valid as it
    stands."""
    from importlib.resources import files

    return files("fleet.config").joinpath("template.yaml").read_text(encoding="utf-8")
