"""The policy as objects of the API of a cluster, and back."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fleet.app.wiring.home import Home
from fleet.config.objects.files import ExportedPolicy, export, import_texts
from fleet.config.stream import text_of
from fleet.core.records.errors import UsageError

STANDARD_INPUT = "-"


def export_policy(home: Home) -> ExportedPolicy:
    """Returns the home's policy as objects. Raises UsageError where there is none, ConfigError with all its mistakes."""
    home.read_policy()
    return export(home.policy_file)


def import_policy(home: Home, files: Sequence[str]) -> Path:
    """Writes the home's policy from files with objects (`-`: standard input), and returns its path.

    Raises UsageError where the home has a policy, which is never overwritten, or where a file cannot be read; ConfigError
    with all mistakes of the objects.
    """
    if home.has_policy:
        raise UsageError(
            f"{home.policy_file} exists, and was left as it is",
            "--home FOLDER writes another one elsewhere, to compare the two",
        )
    text = import_texts(_texts(files), home.path)
    home.path.mkdir(parents=True, exist_ok=True)
    # A file that another process writes at this moment is not overwritten.
    with home.policy_file.open("x", encoding="utf-8") as file:
        file.write(text)
    return home.policy_file


def _texts(files: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in files:
        if name == STANDARD_INPUT:
            yield "standard input", _standard_input()
            continue
        try:
            yield name, text_of(Path(name))
        except FileNotFoundError:
            raise UsageError(f"{name} does not exist", "name a file of objects") from None
        except OSError as error:
            raise UsageError(
                f"{name} cannot be read: {error.strerror or error}", "name a file of objects"
            ) from None
        except ValueError as error:
            raise UsageError(f"{name} cannot be read: it {error}", "expected a text file in UTF-8") from None


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"standard input is not UTF-8 (byte {error.start})",
            "kubectl get fleet -o yaml | fleet policy import -",
        ) from None
