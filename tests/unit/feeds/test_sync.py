"""Feeds of a policy: read, kept while they are away, refused when they become older; and what is shown of them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fleet.app.releases.listing import releases
from fleet.app.releases.sync import run_job, sync_feeds
from fleet.app.schedule.registry import plans_of
from fleet.app.wiring.home import Home
from fleet.config.policy import load_file
from fleet.core.jobs.job import JobRun
from fleet.core.records.errors import ConfigError, FleetError, UsageError
from fleet.core.releases.release import Release
from fleet.feeds import documents
from tests.unit.feeds.server import FeedServer
from tests.unit.feeds.test_publishers import STABLE, index_of, versions_in

LIST = "releases: [{version: '44.1'}, {version: '44.2', barrier: keys}]\n"
DIGEST, OTHER, THIRD, FOURTH = (f"sha256:{letter * 64}" for letter in "abcd")


def a_run(home: Home) -> JobRun:
    return JobRun("feeds", home.now(), home.now(), "test", 1)


@pytest.fixture
def heard() -> list[str]:
    return []


def a_home(tmp_path: Path, heard: list[str], *feeds: str) -> Home:
    """A home whose policy has a stream for each feed, `s0` first."""
    lines = [f"- {{name: s{number}, feed: {feed}}}" for number, feed in enumerate(feeds)]
    (tmp_path / "fleet.yaml").write_text(
        "streams:\n" + "\n".join(lines) + "\npools: [{name: w, stream: s0}]\n", encoding="utf-8"
    )
    return Home(tmp_path, show=heard.append)


def listed(server: FeedServer, text: str = LIST, path: str = "/list") -> str:
    server.documents[path] = text.encode()
    return f"{{url: '{server.url}{path}'}}"


def versions(home: Home, stream: str = "s0") -> list[str]:
    found = home.policy().stream(stream)
    assert found is not None
    return [release.version for release in found.releases]


def test_feed_is_read_and_is_a_stream_like_any_other(
    tmp_path: Path, server: FeedServer, heard: list[str]
) -> None:
    home = a_home(tmp_path, heard, listed(server))
    assert versions(home) == [] and "was never read" in heard[0]
    (synced,) = sync_feeds(home)
    assert (synced.releases, synced.new, synced.problem) == (2, ("44.1", "44.2"), "")
    policy = home.policy()
    assert policy.target(policy.pools[0]) == Release("44.2", barrier="keys")
    (again,) = sync_feeds(home)
    assert (again.new, again.problem) == ((), "")
    assert {each.stat().st_mode & 0o77 for each in (tmp_path / "feeds").iterdir()} == {0}


def test_unchanged_feed_is_not_sent_again(tmp_path: Path, server: FeedServer, heard: list[str]) -> None:
    server.documents |= {
        "/updates/stable.json": STABLE,
        "/prod/streams/stable/releases.json": index_of(versions_in(STABLE)),
    }
    home = a_home(tmp_path, heard, f"{{fedora-coreos: {{url: '{server.url}'}}}}")
    sync_feeds(home)
    server.take()
    sync_feeds(home)
    assert [asked.status for asked in server.take()] == [304, 304]
    # One of the two has changed: the other one is taken from the copy.
    server.documents["/updates/stable.json"] = STABLE.replace(b"2880", b"1440")
    (synced,) = sync_feeds(home)
    assert [asked.status for asked in server.take()] == [304, 200] and synced.problem == ""
    last = home.policy().streams[0].releases[-1]
    assert last.rollout and last.rollout.minutes == 1440


@pytest.mark.parametrize(
    "broken", ["<html>", "releases: []", "releases: [{version: a, digset: x}]", "\x00", "a: " + "[" * 5000]
)
def test_last_copy_counts_while_a_feed_cannot_be_read(
    tmp_path: Path, server: FeedServer, heard: list[str], broken: str
) -> None:
    home = a_home(tmp_path, heard, listed(server))
    sync_feeds(home)
    server.documents["/list"] = broken.encode()
    (synced,) = sync_feeds(home)
    assert synced.problem and synced.releases == 2 and synced.read_at is not None
    assert versions(home) == ["44.1", "44.2"]
    assert "its copy of" in heard[-1]
    (stream,) = releases(home).streams
    assert stream.problem and stream.read_at is not None and len(stream.releases) == 2
    server.documents["/list"] = LIST.encode()
    (synced,) = sync_feeds(home)
    assert synced.problem == "" and releases(home).streams[0].problem == ""


def test_server_that_is_away_or_answers_with_an_error(
    tmp_path: Path, server: FeedServer, heard: list[str]
) -> None:
    home = a_home(tmp_path, heard, listed(server), "{url: 'https://127.0.0.1:1/5ecre7'}")
    server.statuses["/list"] = 503
    first, second = sync_feeds(home)
    assert "503" in first.problem and second.problem and "5ecre7" not in second.problem
    assert (first.read_at, first.releases) == (None, 0)
    with pytest.raises(FleetError):
        run_job(home, a_run(home))
    del server.statuses["/list"]
    server.redirects["/list"] = "http://127.0.0.1:1/"
    (synced,) = sync_feeds(home, ["s0"])
    assert "https" in synced.problem


def test_document_that_is_too_large_is_not_read(
    tmp_path: Path, server: FeedServer, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MOST_BYTES", 1 << 10)
    home = a_home(tmp_path, heard, listed(server, LIST + "#" * 2000))
    (synced,) = sync_feeds(home)
    assert "larger" in synced.problem


def test_feed_that_takes_too_long_is_given_up(
    tmp_path: Path, server: FeedServer, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "WHOLE", -1.0)
    home = a_home(tmp_path, heard, listed(server))
    (synced,) = sync_feeds(home)
    assert "longer" in synced.problem and server.take() == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LIST, "releases: [{version: '44.1'}]"),
        (LIST, "releases: [{version: '26.3'}]"),
        (
            f"releases: [{{version: '44.1', digest: '{DIGEST}'}}]",
            f"releases: [{{version: '44.1', digest: '{OTHER}'}}, {{version: '44.2'}}]",
        ),
        (
            f"releases: [{{version: '44.1', digests: {{amd64: '{DIGEST}'}}}}]",
            f"releases: [{{version: '44.1', digests: {{amd64: '{OTHER}'}}}}]",
        ),
    ],
)
def test_feed_that_becomes_older_or_changes_a_digest_is_refused_and_named(
    tmp_path: Path, server: FeedServer, heard: list[str], before: str, after: str
) -> None:
    home = a_home(tmp_path, heard, listed(server, before))
    sync_feeds(home)
    kept = versions(home)
    server.documents["/list"] = after.encode()
    (synced,) = sync_feeds(home)
    assert "refused" in synced.problem and "--accept s0" in synced.problem
    assert versions(home) == kept and "refused" in heard[-1]
    (synced,) = sync_feeds(home, accept=["s0"])
    assert synced.problem == ""
    assert versions(home) == [release["version"] for release in yaml_releases(after)]


def yaml_releases(text: str) -> list[dict[str, str]]:
    import yaml

    found: list[dict[str, str]] = yaml.safe_load(text)["releases"]
    return found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"43.20260217.3.1", b"44.20260621.3.1"),
        (b"43.20260217.3.1", b"44.\\u001b[2Jx"),
        (b"43.20260217.3.1", b""),
        (b"43.20260217.3.1", b"4" * 300),
    ],
)
def test_texts_that_no_release_may_have(
    tmp_path: Path, server: FeedServer, heard: list[str], old: bytes, new: bytes
) -> None:
    server.documents |= {
        "/updates/stable.json": STABLE,
        "/prod/streams/stable/releases.json": index_of(versions_in(STABLE)).replace(
            b'"version":"' + old + b'"', b'"version":"' + new + b'"'
        ),
    }
    home = a_home(tmp_path, heard, f"{{fedora-coreos: {{url: '{server.url}'}}}}")
    for accept in ((), ("s0",)):
        (synced,) = sync_feeds(home, accept=accept)
        assert synced.problem and synced.problem.isprintable() and versions(home) == []


def test_architecture_that_is_added_to_a_release_is_no_other_payload(
    tmp_path: Path, server: FeedServer, heard: list[str]
) -> None:
    one = f"releases: [{{version: '44.1', digest: '{DIGEST}', digests: {{amd64: '{OTHER}'}}}}]"
    two = f"releases: [{{version: '44.1', digest: '{THIRD}', digests: {{amd64: '{OTHER}', arm64: '{FOURTH}'}}}}]"
    home = a_home(tmp_path, heard, listed(server, one))
    sync_feeds(home)
    server.documents["/list"] = two.encode()
    (synced,) = sync_feeds(home)
    assert synced.problem == ""


def test_copy_of_another_feed_does_not_count(tmp_path: Path, server: FeedServer, heard: list[str]) -> None:
    home = a_home(tmp_path, heard, listed(server))
    sync_feeds(home)
    home = a_home(tmp_path, heard, listed(server, "releases: [{version: x}]", "/other"))
    assert versions(home) == []
    (synced,) = sync_feeds(home)
    assert (synced.new, synced.problem) == (("x",), "")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff" * 100, b'{"releases": 1}', b"[" * 100_000])
def test_copy_that_is_broken_counts_as_none(
    tmp_path: Path, server: FeedServer, heard: list[str], content: bytes
) -> None:
    home = a_home(tmp_path, heard, listed(server))
    sync_feeds(home)
    for name in ("s0.json", "s0.documents"):
        (tmp_path / "feeds" / name).write_bytes(content)
    assert versions(home) == []
    (synced,) = sync_feeds(home)
    assert synced.problem == "" and versions(home) == ["44.1", "44.2"]


def test_date_that_a_feed_names_for_a_while_is_kept(
    tmp_path: Path, server: FeedServer, heard: list[str]
) -> None:
    server.documents |= {
        "/updates/stable.json": STABLE,
        "/prod/streams/stable/releases.json": index_of(versions_in(STABLE)),
    }
    home = a_home(tmp_path, heard, f"{{fedora-coreos: {{url: '{server.url}'}}}}")
    sync_feeds(home)
    before = home.policy().streams[0].releases[-1].released
    later = msgspec.json.decode(STABLE)
    del later["releases"][-1]
    server.documents["/updates/stable.json"] = msgspec.json.encode(later)
    sync_feeds(home)
    last = home.policy().streams[0].releases[-1]
    assert before and last.released == before and not last.rollout


@pytest.mark.parametrize(
    ("feed", "where"),
    [
        ("{}", "feed"),
        ("{url: 'http://example.org/list'}", "feed.url"),
        ("{url: 'https://user:5ecre7@example.org/list'}", "feed.url"),
        ("{image: {}}", "feed.image"),
        ("{image: {repository: 'quay.io/a/b:tag'}}", "feed.image.repository"),
        ("{image: {repository: quay.io/a/b, tags: '['}}", "feed.image.tags"),
        ("{image: {repository: quay.io/a/b, newest: 201}}", "feed.image.newest"),
        ("{fedora-coreos: {payload: iso}}", "feed.fedora-coreos.payload"),
        ("{fedora-coreos: {}, flatcar: {}}", "feed.flatcar"),
        ("{flatcar: {keyring: missing.gpg}}", "feed.flatcar.keyring"),
        ("{cincinnati: {graphs: {x86_64: 'https://example.org/'}}}", "feed.cincinnati.graphs"),
    ],
)
def test_mistakes_of_a_feed_are_reported_with_their_key(
    tmp_path: Path, heard: list[str], feed: str, where: str
) -> None:
    home = a_home(tmp_path, heard, feed)
    with pytest.raises(ConfigError) as error:
        home.policy()
    assert any(f"streams.s0.{where}" in problem for problem in error.value.problems)
    assert "5ecre7" not in error.value.message


def test_stream_without_a_feed_is_not_read(tmp_path: Path, server: FeedServer, heard: list[str]) -> None:
    home = a_home(tmp_path, heard, listed(server))
    with pytest.raises(UsageError):
        sync_feeds(home, ["s7"])


def test_controller_reads_feeds_by_its_schedule(tmp_path: Path, server: FeedServer, heard: list[str]) -> None:
    home = a_home(tmp_path, heard, listed(server))
    (job,) = [
        (source, plan) for source, plan in plans_of(load_file(home.policy_file)[0]) if plan.name == "feeds"
    ]
    assert job[0].function == "fleet.app.releases.sync:run_job"
    assert run_job(home, a_run(home)) == "s0: new 44.1, 44.2"
    assert run_job(home, a_run(home)) == "nothing new"
