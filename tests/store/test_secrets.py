"""Marked secrets go in by every door there is for them; then all that came out, and all that was kept, is searched."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple
from urllib.parse import quote

import pytest

from fleet.app.audit import signing
from fleet.app.audit.keys import keys_of
from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.simulated_clock import CLOCK
from fleet.lab.simulation.builders import NEW, START
from fleet.simulated.clock import SimulatedClock
from tests.kube_fake.server import ApiServer, Fault
from tests.kube_fake.tls import self_signed
from tests.kube_fake.world import node, pod, write_kubeconfig
from tests.store.raw import raw
from tests.unit.app.homes import POLICY, a_home

TOKEN = "MARKED-token-6Wc"
PASSWORD = "MARKED-pass@w/rd"
PROXY = "MARKED-proxy-9fz"
QUOTED = quote(PASSWORD, safe="")
SECRETS = (TOKEN, PASSWORD, QUOTED, PROXY)


class CommandResult(NamedTuple):
    code: int
    text: str
    """stdout and stderr."""


def fleet(home: Path, *arguments: str, **environ: str) -> CommandResult:
    done = subprocess.run(
        [sys.executable, "-m", "fleet.cli", "--home", str(home), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **environ},
    )
    return CommandResult(done.returncode, done.stdout + done.stderr)


def kept(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of a home, its database with it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()


def rows_of(url: str) -> Iterator[tuple[str, bytes]]:
    """Every row of a PostgreSQL database, as text."""
    with closing(raw(url)) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            for (row,) in connection.execute(f'SELECT "{table}"::text FROM "{table}"').fetchall():
                yield table, row.encode()


def clean(found: Iterator[tuple[str, bytes]]) -> int:
    """How many were searched."""
    searched = list(found)
    for name, content in searched:
        for secret in SECRETS:
            assert secret.encode() not in content, f"a secret is in {name}"
    return len(searched)


def silent(result: CommandResult) -> CommandResult:
    for secret in SECRETS:
        assert secret not in result.text, result.text
    return result


@contextmanager
def served(folder: Path, prepare: Callable[[ApiServer], None] = lambda server: None) -> Iterator[str]:
    """A server that lets only the marked token in, on a thread of its own; its address. Its certificate is in the folder."""
    server = ApiServer(tls=self_signed(folder))
    server.token = TOKEN
    ready, stop = Event(), Event()

    async def serve() -> None:
        async with server:
            await server.put("/api/v1/nodes", node("n-1"))
            await server.put("/api/v1/pods", pod("shop-1", "n-1"))
            prepare(server)
            server.faults += [
                Fault("GET", "/namespaces/kube-system", 200, {"metadata": {"uid": "uid-east"}}, times=99),
                Fault("GET", "/version", 200, {"gitVersion": "v1.36.3"}, times=99),
                Fault("POST", "/selfsubjectaccessreviews", 201, {"status": {"allowed": True}}, times=999),
            ]
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(20)
        yield server.url
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    found = tmp_path / "home"
    found.mkdir()
    (found / "fleet.yaml").write_text(POLICY)
    return found


def kubeconfig(tmp_path: Path, server: str, token: str = TOKEN, **cluster: object) -> str:
    authority = tmp_path / "certificate.pem"
    trusted = {"certificate-authority": str(authority)} if authority.exists() else {}
    return str(write_kubeconfig(tmp_path / "kubeconfig", server, {"token": token}, {**trusted, **cluster}))


def test_accepted_token_is_used_and_stored_nowhere(tmp_path: Path, home: Path) -> None:
    with served(tmp_path) as url:
        file = kubeconfig(tmp_path, url)
        added = fleet(home, "cluster", "add", "east", "--kubeconfig", file, "--site", "fra")
        assert silent(added).code == 0, added.text
        commands = (
            ["sync"],
            ["cluster", "list", "-o", "json"],
            ["cluster", "check", "east"],
            ["cluster", "install", "east", "--dry-run"],
            ["status", "-o", "json"],
            ["plan", "--pool", "workers", "--to", NEW.version],
            ["plan", "show", "-o", "json"],
            ["explain", "n-1"],
            ["audit", "keygen"],
            ["audit", "verify"],
            ["audit", "export"],
        )
        for arguments in commands:
            result = silent(fleet(home, *arguments))
            assert "bug in fleet" not in result.text, result.text
    # It is away now: errors with an address in them.
    assert silent(fleet(home, "sync")).code != 0
    assert silent(fleet(home, "cluster", "check", "east", FLEET_DEBUG="1")).code == 1
    assert clean(kept(home)) >= 2


def test_rejected_token_is_not_quoted(tmp_path: Path, home: Path) -> None:
    with served(tmp_path) as url:
        file = kubeconfig(tmp_path, url, f"{TOKEN}-old")
        result = silent(fleet(home, "cluster", "add", "east", "--kubeconfig", file, "--site", "fra"))
        assert result.code == 1 and "does not accept the credentials" in result.text


@pytest.mark.parametrize("status", [400, 401, 403, 500, 503])
def test_token_echoed_by_a_server_is_not_repeated(tmp_path: Path, home: Path, status: int) -> None:
    def echo(server: ApiServer) -> None:
        server.faults.append(
            Fault("GET", "/nodes", status, f"no: Authorization: Bearer {TOKEN} is not good", times=99)
        )

    with served(tmp_path, echo) as url:
        file = kubeconfig(tmp_path, url)
        result = silent(fleet(home, "cluster", "add", "east", "--kubeconfig", file, "--site", "fra"))
        assert result.code == 1 and "no: Authorization: Bearer" in result.text
        assert clean(kept(home)) >= 1


def test_password_in_a_proxy_address_is_not_shown(tmp_path: Path, home: Path) -> None:
    proxies = ("http://ada:{}@127.0.0.1:1", "http://ada:{}@no-such-host.invalid:3128", "nonsense://ada:{}@x")
    for proxy in proxies:
        file = kubeconfig(tmp_path, "https://127.0.0.1:2", **{"proxy-url": proxy.format(PROXY)})
        result = silent(fleet(home, "cluster", "add", "east", "--kubeconfig", file, "--site", "fra"))
        assert result.code in (1, 2) and "bug in fleet" not in result.text, result.text
        by_environ = {"HTTPS_PROXY": proxy.format(PROXY), "HTTP_PROXY": proxy.format(PROXY)}
        plain = kubeconfig(tmp_path, "https://no-such-server.invalid:2")
        silent(fleet(home, "cluster", "add", "east", "--kubeconfig", plain, "--site", "fra", **by_environ))
    clean(kept(home))


def test_password_in_a_server_address_is_not_shown(tmp_path: Path, home: Path) -> None:
    file = kubeconfig(tmp_path, f"http://ada:{PROXY}@127.0.0.1:1")
    result = silent(fleet(home, "cluster", "add", "east", "--kubeconfig", file, "--site", "fra"))
    assert result.code == 1
    clean(kept(home))


@pytest.mark.parametrize(
    "user",
    [
        f"token: [{TOKEN}",
        f"token: *{TOKEN}",
        f"token: !{TOKEN} x",
        f"token: '{TOKEN}\n  other: x: y",
        f'token: "\\q{TOKEN}"',
        f"client-key-data: {TOKEN}!",
        f"token: &{TOKEN}& x",
        f"token: %{TOKEN}",
        f"? [{TOKEN}]\n    : {{{TOKEN}: [}}",
    ],
)
def test_broken_kubeconfig_is_not_quoted(tmp_path: Path, home: Path, user: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(
        "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n"
        f"users:\n- name: u\n  user:\n    {user}\n"
    )
    result = silent(fleet(home, "cluster", "add", "east", "--kubeconfig", str(file), "--site", "fra"))
    assert result.code in (1, 2) and "bug in fleet" not in result.text, result.text


def with_password(url: str) -> str:
    """The server trusts every user on its socket, whatever the password."""
    return url.replace("postgresql://fleet@", f"postgresql://fleet:{QUOTED}@")


def test_database_password_is_nowhere(tmp_path: Path, postgres_template: Callable[[str], str]) -> None:
    """A rollout with a controller in the background: its log, its journal, its report."""
    url = with_password(postgres_template("secrets"))
    home = a_home(tmp_path / "home", database=url)
    SimulatedClock(START, 600.0, home.simulated / CLOCK).save()
    signing.keygen(home)
    home.store.close()
    environ = {"FLEET_DATABASE": url}
    made = silent(fleet(home.path, "plan", "--pool", "workers", "--to", NEW.version, "-o", "json", **environ))
    assert made.code == 0, made.text
    name = made.text.split('"plan_id": "')[1].split('"')[0]
    started = silent(fleet(home.path, "rollout", "start", name, **environ))
    assert started.code == 0, started.text
    assert home.log.exists()
    silent(fleet(home.path, "rollout", "status", "--watch", **environ))
    commands = (
        ["rollout", "abort"],
        ["rollout", "status", "-o", "json"],
        ["report", "-o", "json"],
        ["report", "-o", "html"],
        ["report"],
        ["explain", "n-3"],
        ["audit", "verify"],
        ["audit", "export"],
        ["cluster", "list"],
        ["status"],
    )
    for arguments in commands:
        result = silent(fleet(home.path, *arguments, **environ))
        assert result.code in (0, 3), result.text
    silent(fleet(home.path, "run", "--until-idle", **environ))
    assert clean(kept(home.path)) >= 4
    assert clean(rows_of(url)) > 20


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://fleet:{QUOTED}@127.0.0.1:1/fleet",
        f"postgresql://fleet:{PASSWORD}@127.0.0.1:1/fleet",
        f"postgresql://fleet:{QUOTED}@no-such-host.invalid/fleet",
        f"postgresql://fleet@127.0.0.1:1/fleet?password={QUOTED}",
        f"postgresql://fleet:{QUOTED}@127.0.0.1:port/fleet",
        f"postgresql://fleet:{QUOTED}@127.0.0.1:1/fleet?nonsense=1",
        f"mysql://fleet:{QUOTED}@127.0.0.1:1/fleet",
    ],
)
@pytest.mark.parametrize("debug", ["", "1"])
def test_unreachable_database_is_named_without_its_password(home: Path, url: str, debug: str) -> None:
    for arguments in (["status"], ["run"], ["audit", "verify"], ["init"]):
        result = silent(fleet(home, *arguments, FLEET_DATABASE=url, FLEET_DEBUG=debug))
        assert result.code in (0, 1, 2), result.text
    result = silent(fleet(home, "--database", url, "status"))
    assert result.code in (1, 2) and "bug in fleet" not in result.text
    clean(kept(home))


def test_signing_key_never_leaves_its_file(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    made = fleet(home.path, "audit", "keygen")
    private = keys_of(Home(home.path)).private
    secret = "".join(private.read_text().splitlines()[1:-1])
    assert len(secret) > 40
    reported = [
        made.text,
        *(fleet(home.path, "audit", argument).text for argument in ("keygen", "checkpoint", "export")),
    ]
    assert all(secret not in arguments and "PRIVATE" not in arguments for arguments in reported)
    for name, content in kept(home.path):
        assert name == str(private) or secret.encode() not in content
    private.write_text(private.read_text().replace("M", "!", 1))
    result = fleet(home.path, "audit", "checkpoint")
    assert result.code == 2 and "has no private key" in result.text
    assert secret[8:40] not in result.text
