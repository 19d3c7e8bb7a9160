"""Users are identified in the one way that the policy names, and every command that writes asks for a role."""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import jwt
import pytest

from fleet.app.access.allowed import allowed
from fleet.app.access.caller import caller_of, groups_of
from fleet.app.access.show import own_access
from fleet.app.access.signed_token import AUDIENCE, VARIABLE, identify, issue
from fleet.app.inventory.clusters import add, claim, remove
from fleet.app.inventory.sync import sync
from fleet.app.planning.plans import plan
from fleet.app.reporting.node_logs import of_node
from fleet.app.rollouts.commands import release, send_command
from fleet.app.rollouts.run import run
from fleet.app.wiring.actor import actor, actor_person
from fleet.app.wiring.home import Home
from fleet.config import loads
from fleet.core.policy.access import Access, Holders, Role
from fleet.core.records.errors import AuthenticationError, ConfigError, NotAllowedError, UsageError
from fleet.lab.simulation.builders import NEW, START
from fleet.store.journal.signing import PrivateKey
from tests.unit.app.homes import POLICY, a_home
from tests.unit.app.users import a_home_with_users, acting, token_of


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return a_home_with_users(tmp_path / "home")


WRITES: list[tuple[str, Callable[[Home], object], Role]] = [
    ("keep a plan", lambda home: plan(home, ["workers"], NEW.version, keep=True), Role.OPERATOR),
    ("sync", sync, Role.OPERATOR),
    ("pause", lambda home: send_command(home, "pause"), Role.OPERATOR),
    ("abort", lambda home: send_command(home, "abort"), Role.OPERATOR),
    ("release", lambda home: release(home, "n-1"), Role.OPERATOR),
    ("log", lambda home: of_node(home, "n-1"), Role.OPERATOR),
    ("run", lambda home: run(home, print, until_idle=True), Role.OPERATOR),
    ("add", lambda home: add(home, "west", Path("none"), "", ()), Role.ADMIN),
    ("remove", lambda home: remove(home, "east"), Role.ADMIN),
    ("claim", lambda home: claim(home, "east", "x"), Role.ADMIN),
]


@pytest.mark.parametrize(("write", "role"), [each[1:] for each in WRITES], ids=[each[0] for each in WRITES])
def test_what_writes_asks_for_a_role(home: Home, write: Callable[[Home], object], role: Role) -> None:
    with acting(home, "zoe"), pytest.raises(NotAllowedError) as refused:
        write(home)
    assert str(role) in refused.value.message and home.access().holders(role) in refused.value.hint
    assert home.store.journal.last() is None


def test_every_command_in_the_journal_is_written_by_a_caller_with_a_role() -> None:
    """The user of a command is named through `allowed` alone."""
    users = {
        str(path)
        for path in Path("fleet").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and node.module == "fleet.app.wiring.actor"
        and any(name.name == "actor" for name in node.names)
    }
    # The claim of hosts names the fleet's home to other fleets, and is made for callers that were allowed before.
    assert users == {"fleet/app/access/caller.py", "fleet/app/wiring/sources/hosts.py"}


def test_an_admin_has_every_role_and_groups_count(home: Home) -> None:
    for name, groups, role in (
        ("root", (), Role.OPERATOR),
        ("root", (), Role.APPROVER),
        ("zoe", ("board",), Role.APPROVER),
        ("ada", (), Role.OPERATOR),
        ("zoe", (), Role.VIEWER),
    ):
        with acting(home, name, *groups):
            assert allowed(home, role, "do it").identity.name == name
    with acting(home, "zoe", "board"), pytest.raises(NotAllowedError):
        allowed(home, Role.OPERATOR, "do it")


def test_without_access_everybody_may_do_everything_as_the_user_of_the_system(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home", policy=POLICY)
    caller = allowed(home, Role.ADMIN, "do it")
    assert (caller.identity.name, caller.identity.method, caller.actor) == (actor_person(), "os", actor())
    assert own_access(home).roles == tuple(Role)


def test_a_user_has_the_groups_of_the_system() -> None:
    assert "root" in groups_of("root")
    assert groups_of("no-such-user") == ()


def test_the_journal_names_the_token_and_the_user_of_the_system(home: Home) -> None:
    with acting(home, "ada"):
        caller = caller_of(home, home.access())
    assert caller.actor.startswith("ada (token, key ") and caller.actor.endswith(f" as {actor()}")


def claims(**changes: object) -> dict[str, object]:
    now = int(START.timestamp())
    whole: dict[str, object] = {"sub": "ada", "aud": AUDIENCE, "iat": now, "exp": now + 60, "jti": "1"}
    return {key: value for key, value in {**whole, **changes}.items() if value is not None}


BAD_CLAIMS: dict[str, dict[str, object]] = {
    "expired": {"exp": int(START.timestamp())},
    "not yet": {"nbf": int(START.timestamp()) + 60},
    "another audience": {"aud": "other"},
    "no audience": {"aud": None},
    "no end": {"exp": None},
    "no id": {"jti": None},
    "no user": {"sub": None},
    "an empty user": {"sub": ""},
    "groups that are no list": {"groups": "board"},
    "an end that is text": {"exp": "tomorrow"},
}


@pytest.mark.parametrize("changes", BAD_CLAIMS.values(), ids=BAD_CLAIMS)
def test_a_token_with_other_claims_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    key = PrivateKey.new()
    key.public.write(tmp_path / "public.pem")
    token, path = key.sign_token(claims()), tmp_path / "token"
    path.touch(0o600)
    path.write_text(token)
    reported = {VARIABLE: str(path)}
    identity, groups = identify(str(tmp_path / "public.pem"), reported, START)
    assert (identity.name, identity.method, groups) == ("ada", "token", ())
    bad = key.sign_token(claims(**changes))
    path.write_text(bad)
    with pytest.raises(AuthenticationError) as refused:
        identify(str(tmp_path / "public.pem"), reported, START)
    assert bad not in refused.value.full_message


def test_a_token_of_another_key_or_algorithm_is_refused(tmp_path: Path) -> None:
    PrivateKey.new().public.write(tmp_path / "public.pem")
    path = tmp_path / "token"
    path.touch(0o600)
    for token in (
        PrivateKey.new().sign_token(claims()),
        jwt.encode(claims(), "secret" * 8, algorithm="HS256"),
        jwt.encode(claims(), "", algorithm="none"),
        "no token",
        "",
    ):
        path.write_text(token)
        with pytest.raises(AuthenticationError):
            identify(str(tmp_path / "public.pem"), {VARIABLE: str(path)}, START)


def test_a_token_that_others_may_read_is_refused(home: Home) -> None:
    path = token_of(home, "ada")
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(UsageError) as refused:
        identify(home.access().token_key, {VARIABLE: str(path)}, home.now())
    assert path.read_text().strip() not in refused.value.full_message


def test_a_missing_token_says_what_to_set(home: Home) -> None:
    with pytest.raises(UsageError) as refused:
        identify(home.access().token_key, {}, home.now())
    assert VARIABLE in refused.value.message
    with pytest.raises(UsageError):
        identify(home.access().token_key, {VARIABLE: "/nowhere/token"}, home.now())


def test_a_token_is_never_overwritten(home: Home) -> None:
    path = token_of(home, "ada")
    with pytest.raises(FileExistsError):
        issue(home.path / "access-key.pem", "eve", (), timedelta(hours=1), home.now(), path)


def test_a_cluster_without_a_kubeconfig_identifies_nobody(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    with pytest.raises(UsageError):
        caller_of(home, Access("kubernetes", cluster="east"))


def test_a_policy_with_mistakes_in_access_names_them_all() -> None:
    text = "pools: [{name: a}]\naccess:\n  identity: token\n  operator: {usres: [ada]}\n"
    with pytest.raises(ConfigError) as wrong:
        loads(text)
    reported = "\n".join(wrong.value.problems)
    assert len(wrong.value.problems) == 3
    assert all(word in reported for word in ("token_key", "usres", "access.admin"))
    with pytest.raises(ConfigError):
        loads("pools: [{name: a}]\naccess: {identity: kubernetes, admin: {users: [root]}}\n")


def test_a_role_that_nobody_has_says_so() -> None:
    access = Access(roles={Role.ADMIN: Holders(("root",), ("wheel",))})
    assert access.holders(Role.APPROVER) == "nobody"
    assert access.holders(Role.ADMIN) == "root, group wheel"
