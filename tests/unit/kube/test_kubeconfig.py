from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.core.errors import UsageError
from fleet.kube import kubeconfig

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
        kubeconfig.read(path, context)
    words = caught.value.message + caught.value.hint
    assert str(path) in words
    assert "s3cret" not in words
    return caught.value.message, caught.value.hint


def test_the_current_context_is_used_unless_another_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "kc", GOOD)
    assert kubeconfig.read(path).context == "one"
    assert kubeconfig.read(path, "one").server == "https://127.0.0.1:6443"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    written(tmp_path / "kubeconfig.yaml", GOOD)
    message, hint = refusal(tmp_path / "kubeconfig.yml")
    assert message.startswith("no kubeconfig at")
    assert "kubeconfig.yaml" in hint
    assert "not there either" in refusal(tmp_path / "no" / "kc")[1]


def test_a_folder(tmp_path: Path) -> None:
    written(tmp_path / "kc", GOOD)
    message, hint = refusal(tmp_path)
    assert "is a folder" in message
    assert "kc" in hint


def test_an_unknown_context(tmp_path: Path) -> None:
    message, hint = refusal(written(tmp_path / "kc", GOOD), "tow")
    assert "no context 'tow'" in message
    assert hint == "contexts there: one, three, two"


def test_no_current_context(tmp_path: Path) -> None:
    message, hint = refusal(written(tmp_path / "kc", GOOD | {"current-context": ""}))
    assert "no current context" in message
    assert "--context; contexts there: one, three, two" in hint


def test_a_context_that_leads_nowhere(tmp_path: Path) -> None:
    path = written(tmp_path / "kc", GOOD)
    assert "names user 'nobody'" in refusal(path, "two")[0]
    assert "names cluster 'nowhere'" in refusal(path, "three")[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("users: [{token: s3cret", ":1: not YAML"),
        ("token: s3cret\n  x: [", ":2: not YAML"),
        ("just words", "is no kubeconfig"),
        ("", "is no kubeconfig"),
        ("[1, 2]", "is no kubeconfig"),
        ("current-context: a\ncontexts: 7", "contexts is no list"),
        ("current-context: a\ncontexts: [7]", "an entry of contexts has no name and context"),
        (
            "current-context: a\ncontexts: [{name: a, context: {cluster: b}}]\nclusters: [{name: b}]",
            "no usable server",
        ),
        ("a: \0", "is not YAML"),
    ],
)
def test_what_is_no_kubeconfig(tmp_path: Path, content: str, words: str) -> None:
    assert words in refusal(written(tmp_path / "kc", content))[0]


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "kc").write_bytes(b"\xff\xfe\x00")
    assert "is no text file" in refusal(tmp_path / "kc")[0]


@pytest.mark.parametrize("server", ["", "127.0.0.1:6443", "ftp://x", "https://"])
def test_a_server_that_is_no_address(tmp_path: Path, server: str) -> None:
    content = GOOD | {"clusters": [{"name": "c", "cluster": {"server": server}}]}
    assert "no usable server" in refusal(written(tmp_path / "kc", content))[0]


def test_keys_in_the_file_are_handed_over_in_a_private_folder(tmp_path: Path) -> None:
    data = base64.b64encode(b"the key").decode()
    content = GOOD | {"users": [{"name": "u", "user": {"client-key-data": data}}]}
    found = kubeconfig.read(written(tmp_path / "kc", content))
    folder = tmp_path / "private"
    folder.mkdir()
    (user,) = found.for_library(folder)["users"]
    file = Path(user["user"]["client-key"])
    assert file.parent == folder
    assert file.read_bytes() == b"the key"
    assert file.stat().st_mode & 0o077 == 0
    assert "client-key-data" not in user["user"]


def test_a_key_that_is_no_base64_is_not_quoted(tmp_path: Path) -> None:
    content = GOOD | {"users": [{"name": "u", "user": {"client-key-data": "s3cret!"}}]}
    found = kubeconfig.read(written(tmp_path / "kc", content))
    with pytest.raises(UsageError) as caught:
        found.for_library(tmp_path)
    assert "client-key-data of context 'one' is no base64" in caught.value.message
    assert "s3cret" not in caught.value.message
