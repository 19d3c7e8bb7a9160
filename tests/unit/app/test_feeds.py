"""Calendars by URL, from a server that answers by HTTPS and one that does not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from fleet.app.wiring.feeds import fetch_calendars
from fleet.app.wiring.home import Home
from fleet.core.policy.policy import Policy
from fleet.system.download import DownloadError, download
from tests.kube_fake.tls import self_signed

CALENDAR = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:{}\r\n"
    "DTSTART:20261224T000000Z\r\nDTEND:20261227T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


class Answers(BaseHTTPRequestHandler):
    """Answers by the path."""

    body: ClassVar[bytes] = b""

    def do_GET(self) -> None:
        status = {"/gone/5ecre7": 410, "/away/5ecre7": 302, "/round/5ecre7": 302}.get(self.path, 200)
        self.send_response(status)
        if self.path == "/away/5ecre7":
            self.send_header("Location", "http://127.0.0.1:1/5ecre7")
        if self.path == "/round/5ecre7":
            self.send_header("Location", "/feed/5ecre7")
        self.end_headers()
        if status == 200:
            self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        """Prints nothing."""


@contextmanager
def a_server(folder: Path, body: str | bytes) -> Iterator[str]:
    Answers.body = body.encode() if isinstance(body, str) else body
    server = HTTPServer(("127.0.0.1", 0), Answers)
    server.socket = self_signed(folder).wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))


def titles(policy: Policy) -> list[str]:
    assert isinstance(policy.calendars, tuple)
    return [title for title, _ in policy.calendars[0].events]


def test_a_feed_is_fetched_and_its_last_copy_counts_while_it_cannot_be_read(tmp_path: Path) -> None:
    heard: list[str] = []
    home = Home(tmp_path, show=heard.append)
    with a_server(tmp_path, CALENDAR.format("first")) as url:
        (tmp_path / "fleet.yaml").write_text(
            f"pools: [{{name: w}}]\nfreezes: [{{name: f, calendar: '{url}/feed/5ecre7'}}]"
        )
        unread = home.policy()
        assert isinstance(unread.calendars, tuple) and unread.calendars[0].unread == ("freeze f",)
        fetch_calendars(home)
        assert titles(home.policy()) == ["first"]
        Answers.body = CALENDAR.format("second").encode()
        fetch_calendars(home)
        assert titles(home.policy()) == ["second"] and not heard
        for broken in (b"<html>5ecre7</html>", b"\xff\xfe", CALENDAR.replace("20261224", "never").encode()):
            Answers.body = broken
            fetch_calendars(home)
            assert titles(home.policy()) == ["second"]
    fetch_calendars(home)
    assert titles(home.policy()) == ["second"]
    assert "127.0.0.1" in heard[-1] and "cannot be read" in heard[-1]
    assert "5ecre7" not in "".join(heard)
    assert {each.stat().st_mode & 0o77 for each in (tmp_path / "calendars").iterdir()} == {0}


@pytest.mark.parametrize(
    ("path", "why"),
    [("/gone/5ecre7", "410"), ("/away/5ecre7", "https"), ("/feed/5ecre7", "larger than 0 MiB")],
)
def test_a_download_that_fails_says_why_and_not_where(tmp_path: Path, path: str, why: str) -> None:
    with a_server(tmp_path, "x" * 2000) as url, pytest.raises(DownloadError) as caught:
        download(url + path, 1000)
    assert why in str(caught.value) and "5ecre7" not in str(caught.value)


def test_a_redirect_within_https_is_followed(tmp_path: Path) -> None:
    with a_server(tmp_path, "hello") as url:
        assert download(f"{url}/round/5ecre7", 1000) == b"hello"


def test_a_server_that_nobody_vouches_for_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_server(tmp_path, "hello") as url:
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(DownloadError, match="certificate"):
            download(url, 1000)


def test_a_server_that_does_not_listen_is_named_in_words() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(DownloadError) as caught:
            download(f"https://127.0.0.1:{taken.getsockname()[1]}/rel.json", 1000)
    assert str(caught.value) == "Connection refused"


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "file:///etc/passwd", "ftp://127.0.0.1/"])
def test_nothing_but_https_is_downloaded(url: str) -> None:
    with pytest.raises(DownloadError, match="https"):
        download(url, 1000)
