"""What a credential plugin may do wrong."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleet.core.records.errors import AuthenticationError
from fleet.kube.client import plugin
from fleet.kube.kubeconfig.kubeconfig import ExecPlugin, Variable

V1 = "client.authentication.k8s.io/v1"


def written(folder: Path, source: str) -> str:
    script = folder / "plugin"
    script.write_text(f"#!{sys.executable}\nimport json, os, subprocess, sys\n{source}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def given(command: str, **more: object) -> plugin.PluginCredential:
    reported = ExecPlugin(command=command, api_version=V1, **more)  # type: ignore[arg-type]
    return asyncio.run(plugin.run(reported, None))


def text(status: str) -> str:
    return f"print(json.dumps({{'apiVersion': {V1!r}, 'kind': 'ExecCredential', 'status': {status}}}))"


def refusal(command: str, **more: object) -> AuthenticationError:
    with pytest.raises(AuthenticationError) as caught:
        given(command, **more)
    return caught.value


def test_plugin_gets_no_input_and_its_own_variables(tmp_path: Path) -> None:
    source = text("{'token': sys.stdin.read() + os.environ['TENANT']}")
    assert given(written(tmp_path, source), env=(Variable("TENANT", "acme"),)).token == "acme"


def test_plugin_sees_no_secrets_of_fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_DATABASE", "postgresql://fleet:hunter2@db/fleet")
    monkeypatch.setenv("TENANT", "acme")
    source = text(
        "{'token': ' '.join(sorted(each for each in os.environ if each.startswith(('FLEET', 'TEN'))))}"
    )
    assert given(written(tmp_path, source)).token == "TENANT"


def test_expiry_of_a_credential(tmp_path: Path) -> None:
    source = text("{'token': 't', 'expirationTimestamp': '2026-11-02T03:00:00+02:00'}")
    assert given(written(tmp_path, source)).expiration_timestamp == datetime(2026, 11, 2, 1, tzinfo=UTC)
    never = text("{'token': 't', 'expirationTimestamp': '0001-01-01T00:00:00Z'}")
    assert given(written(tmp_path, never)).expiration_timestamp is None


def test_plugin_that_does_not_end_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin, "PLUGIN_SECONDS", 1.0)
    pipe = tmp_path / "alive"
    os.mkfifo(pipe)
    # The child holds the pipe open for writing for as long as it lives.
    child = f"import os, time; os.open({str(pipe)!r}, os.O_WRONLY); time.sleep(600)"
    source = f"subprocess.run([sys.executable, '-c', {child!r}])"
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert "did not end within" in refusal(written(tmp_path, source)).message
        os.set_blocking(reader, True)
        assert os.read(reader, 1) == b"", "nobody holds it any more"
    finally:
        os.close(reader)


def test_background_child_of_a_plugin_delays_nothing_and_is_killed(tmp_path: Path) -> None:
    """The helper has the plugin's output, which so does not come to its end."""
    pipe = tmp_path / "alive"
    os.mkfifo(pipe)
    child = f"import os, time; os.open({str(pipe)!r}, os.O_WRONLY); time.sleep(600)"
    start = (
        f"subprocess.Popen([sys.executable, '-c', {child!r}])\nheld = os.open({str(pipe)!r}, os.O_RDONLY)\n"
    )
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert given(written(tmp_path, start + text("{'token': 't'}"))).token == "t"
        os.set_blocking(reader, True)
        assert os.read(reader, 1) == b"", "nobody holds it any more"
    finally:
        os.close(reader)


def test_error_output_of_a_plugin_is_reported_without_long_tokens(tmp_path: Path) -> None:
    source = "sys.stderr.write('\\x1b[31mlog in\\n' + 's3cret' * 10); sys.exit(3)"
    message = refusal(written(tmp_path, source)).message
    assert "exit code 3" in message and "log in" in message
    assert "s3cret" not in message and "\x1b" not in message


def test_large_error_output_does_not_block_a_plugin(tmp_path: Path) -> None:
    assert (
        given(written(tmp_path, "sys.stderr.write('x' * 3 * 2 ** 20)\n" + text("{'token': 't'}"))).token
        == "t"
    )


@pytest.mark.parametrize(
    "answer",
    [
        text("{'token': 5}"),
        text("{'token': 't', 'expirationTimestamp': '2026-11-02'}"),
        text("{'token': 't', 'expirationTimestamp': '2026-11-02T01:00:00'}"),
        text("'s3cret'"),
        "print('[1]')",
        "sys.stdout.buffer.write(b'\\xff')",
    ],
)
def test_invalid_answer_is_not_quoted(tmp_path: Path, answer: str) -> None:
    assert f"printed no ExecCredential of {V1}" in refusal(written(tmp_path, answer)).message


def test_plugin_that_is_no_program(tmp_path: Path) -> None:
    broken = tmp_path / "plugin"
    broken.write_text("#!/nowhere/sh\n")
    assert "is not on this machine" in refusal(str(broken)).message
    broken.chmod(0o755)
    assert "cannot be started" in refusal(str(broken)).message
    assert "zero byte" in refusal(written(tmp_path, ""), args=("a\0b",)).message


def test_program_in_the_current_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, text("{'token': 't'}"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", ".")
    assert "is not on this machine" in refusal("plugin", install_hint="fetch\x1b it").message
