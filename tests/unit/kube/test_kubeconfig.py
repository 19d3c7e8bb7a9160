from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.core.records.errors import UsageError
from fleet.kube.kubeconfig import contexts
from tests.golden import GoldenFiles

GOOD: dict[str, Any] = {
    "current-context": "one",
    "contexts": [
        {"name": "one", "context": {"cluster": "c", "user": "u"}},
        {"name": "two", "context": {"cluster": "c", "user": "nobody"}},
        {"name": "three", "context": {"cluster": "nowhere", "user": "u"}},
    ],
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443"}}],
    "users": [{"name": "u", "user": {"token": "s3cret-t0ken"}}],
}


def written(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def refusal(path: Path, context: str = "") -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        contexts.read([path], context)
    expected = caught.value.message + caught.value.hint
    assert str(path) in expected
    assert "s3cret" not in expected
    return caught.value.message, caught.value.hint


def test_current_context_is_used_unless_another_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "kc", GOOD)
    assert contexts.read([path]).context == "one"
    assert contexts.read([path], "one").cluster.server == "https://127.0.0.1:6443"


def test_missing_file(tmp_path: Path) -> None:
    written(tmp_path / "kubeconfig.yaml", GOOD)
    message, hint = refusal(tmp_path / "kubeconfig.yml")
    assert message.startswith("no kubeconfig at")
    assert "kubeconfig.yaml" in hint
    assert "does not exist either" in refusal(tmp_path / "no" / "kc")[1]


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    written(tmp_path / "kc", GOOD)
    message, hint = refusal(tmp_path)
    assert "is a folder" in message
    assert "kc" in hint


def test_endless_device() -> None:
    assert "4 MiB" in refusal(Path("/dev/zero"))[0]


def test_unknown_context(tmp_path: Path, golden: GoldenFiles) -> None:
    message, hint = refusal(written(tmp_path / "kc", GOOD), "tow")
    golden.check(f"{message}\n{hint}".replace(f"{tmp_path}/", ""))


def test_no_current_context(tmp_path: Path, golden: GoldenFiles) -> None:
    message, hint = refusal(written(tmp_path / "kc", GOOD | {"current-context": ""}))
    golden.check(f"{message}\n{hint}".replace(f"{tmp_path}/", ""))


def test_context_without_a_cluster(tmp_path: Path) -> None:
    path = written(tmp_path / "kc", GOOD)
    assert "refers to user 'nobody'" in refusal(path, "two")[0]
    assert "refers to cluster 'nowhere'" in refusal(path, "three")[0]


NO_KUBECONFIGS = (
    "users: [{token: s3cret",
    "token: s3cret\n  x: [",
    "just words",
    "",
    "[1, 2]",
    "current-context: a\ncontexts: 7",
    "current-context: a\ncontexts: [7]",
    "users: [{name: u, user: {token: 5}}]",
    "users: [{name: u, user: {client-key-data: s3cret!}}]",
    "users: [{name: u}, {name: u}]",
    "kind: Secret",
    "apiVersion: v2",
    "current-context: a\ncontexts: [{name: a, context: {cluster: b}}]\nclusters: [{name: b}]",
    "a: \0",
)


def test_files_that_are_no_kubeconfig(tmp_path: Path, golden: GoldenFiles) -> None:
    messages = [refusal(written(tmp_path / "kc", content))[0] for content in NO_KUBECONFIGS]
    # The parser's own words differ between its builds.
    shown = [re.sub("not YAML: .*", "not YAML: (the parser's message)", each) for each in messages]
    lines = (f"{content!r}\n  {message}" for content, message in zip(NO_KUBECONFIGS, shown, strict=True))
    golden.check("\n".join(lines).replace(f"{tmp_path}/", ""))


def test_bytes_that_are_no_text(tmp_path: Path, golden: GoldenFiles) -> None:
    (tmp_path / "kc").write_bytes(b"a: \xff")
    golden.check(refusal(tmp_path / "kc")[0].replace(f"{tmp_path}/", ""))


@pytest.mark.parametrize(
    "server", ["", "127.0.0.1:6443", "ftp://x", "https://", "https://x y", "https://x\ny"]
)
def test_server_that_is_no_address(tmp_path: Path, server: str) -> None:
    content = GOOD | {"clusters": [{"name": "c", "cluster": {"server": server}}]}
    assert "no usable server" in refusal(written(tmp_path / "kc", content))[0]


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    cluster = {"server": "x", "proxy-url": "socks4://y", "certificate-authority": "ca.crt"}
    plugin = {"apiVersion": "client.authentication.k8s.io/v1alpha1", "interactiveMode": "Always"}
    user = {"exec": plugin, "as-uid": "7", "client-certificate": "a.crt", "token": "s3cret", "username": "u"}
    content = GOOD | {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    message, _ = refusal(written(tmp_path / "kc", content))
    for key in ("server", "proxy-url", "certificate-authority", "client-key", "token", "as-uid", "command"):
        assert key in message
    for key in ("apiVersion", "interactiveMode"):
        assert f"exec.{key}" in message


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gcp", "removed from Kubernetes 1.26"),
        ("azure", "https://github.com/Azure/kubelogin"),
        ("openstack", "is not known"),
    ],
)
def test_auth_provider_is_refused_by_its_name(tmp_path: Path, name: str, expected: str) -> None:
    content = GOOD | {"users": [{"name": "u", "user": {"auth-provider": {"name": name, "config": {}}}}]}
    message, _ = refusal(written(tmp_path / "kc", content))
    assert f"auth-provider {name!r}" in message and expected in message


def test_context_without_credentials_is_refused_over_tls(tmp_path: Path) -> None:
    content = GOOD | {"users": [{"name": "u", "user": {}}]}
    assert "no credentials" in refusal(written(tmp_path / "kc", content))[0]


def test_relative_files_are_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = written(tmp_path / "a" / "kc", {key: value for key, value in GOOD.items() if key != "users"})
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "bin/x", "interactiveMode": "Never"}
    users = [{"name": "u", "user": {"tokenFile": "t", "exec": plugin}}]
    second = written(tmp_path / "b" / "kc", {"current-context": "two", "users": users})
    found = contexts.read([first, tmp_path / "nowhere", second])
    assert found.context == "one"
    assert found.user.token_file == str(tmp_path / "b" / "t")
    assert found.user.exec is not None and found.user.exec.command == str(tmp_path / "b" / "bin" / "x")


def test_one_of_several_files_must_exist(tmp_path: Path) -> None:
    files = [tmp_path / "one", tmp_path / "two"]
    with pytest.raises(UsageError) as caught:
        contexts.read(files)
    assert all(str(each) in caught.value.message for each in files)


def test_files_of_the_environment_are_absolute_and_unique(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = contexts.of_environment({"KUBECONFIG": ":a:/b:a:"}, tmp_path)
    assert found == (tmp_path / "a", Path("/b"))
    assert contexts.of_environment({}, tmp_path) == (tmp_path / ".kube" / "config",)
    assert contexts.of_environment({"KUBECONFIG": ""}, tmp_path) == (tmp_path / ".kube" / "config",)
