"""The commands of one line alone behave as those of the whole program, and plain values as Typer would convert them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from typer._coercion import build_runtime_param, resolve_type_descriptor
from typer.core import TyperOption
from typer.models import OptionInfo

from fleet.cli.command_tree import PlainValues, command_tree, first_word
from fleet.cli.line import GLOBAL

WHOLE: Any = command_tree("")
VALUES: tuple[Any, ...] = (
    *(None, "", "text", "json", "-", "7", "-1", "0.5", "x y", 7, 0.5, True, False, b"bytes"),
    *((), ("a", "b"), ["7"], ("json", "text"), Path("x")),
)


def _paths(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, subcommand in getattr(command, "commands", {}).items():
        yield from _paths(subcommand, (*path, name))


PATHS = list(_paths(WHOLE))


def _help(program: Any, path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> str:
    program([*path, "--help"], prog_name="fleet", standalone_mode=False)
    return capsys.readouterr().out


@pytest.mark.parametrize("path", PATHS[1:], ids=" ".join)
def test_each_command_has_the_help_that_it_has_in_the_whole_program(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    narrow: Any = command_tree(path[0])
    assert path[0] == "demo" or list(narrow.commands) == [path[0]]
    assert _help(narrow, path, capsys) == _help(WHOLE, path, capsys)


@pytest.mark.parametrize("word", ["", "staus", "--help"])
def test_a_word_that_names_no_command_gets_the_whole_program(word: str) -> None:
    program: Any = command_tree(word)
    assert list(program.commands) == list(WHOLE.commands)


def test_annotations_of_commands_are_compiled_with_their_modules() -> None:
    """Typer compiles an annotation that is a text at each start; all of them take a third of `fleet --help`."""
    commands: list[Any] = [WHOLE]
    texts = set()
    while commands:
        command = commands.pop()
        commands += getattr(command, "commands", {}).values()
        function = inspect.unwrap(command.callback) if command.callback else None
        if any(isinstance(each, str) for each in getattr(function, "__annotations__", {}).values()):
            texts.add(command.name)
    assert texts == set()


def test_the_first_word_is_the_command_that_follows_the_global_options() -> None:
    def word(*line: str) -> str:
        return first_word(line, GLOBAL)

    assert word("--home", "rollout", "--log-level=info", "status", "--help") == "status"
    assert word("--home=x", "rollout", "status") == "rollout"
    assert [word(), word("--home"), word("--help", "status"), word("--version"), word("--", "status")] == [
        ""
    ] * 5


def _converted(conversion: Any, value: Any, parameter: TyperOption) -> object:
    """Returns the value, or the message of the error, with its type."""
    try:
        converted = conversion.coerce(value, param=parameter, ctx=None)
    except Exception as error:
        return type(error), str(error)
    return type(converted), list(converted) if isinstance(converted, (list, tuple)) else converted


@pytest.mark.parametrize(
    "annotation",
    [str, bool, int, float, Path, Literal["text", "json"], list[str], list[Path], list[int]],
    ids=str,
)
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_are_converted_as_by_typer(annotation: Any, value: Any) -> None:
    descriptor = resolve_type_descriptor(annotation, OptionInfo())
    parameter = TyperOption(param_decls=["--x"], type_descriptor=descriptor, multiple=descriptor.is_list)
    ours, typers = (
        _converted(make(descriptor), value, parameter) for make in (PlainValues, build_runtime_param)
    )
    if isinstance(ours, tuple) and ours[0] is tuple:
        # A list of plain texts stays the tuple that the parser has made; the function is given a list in both cases.
        assert isinstance(typers, tuple)
        ours, typers = ours[1], typers[1]
    assert ours == typers


def test_an_existing_path_is_converted_and_one_that_is_missing_left_to_typer(tmp_path: Path) -> None:
    descriptor = resolve_type_descriptor(Path, OptionInfo())
    parameter = TyperOption(param_decls=["--x"], type_descriptor=descriptor)
    for path in (tmp_path, tmp_path / "missing"):
        assert _converted(PlainValues(descriptor), str(path), parameter) == (type(path), path)


def test_existing_paths_of_a_list_are_converted_and_a_missing_one_leaves_all_to_typer(tmp_path: Path) -> None:
    descriptor = resolve_type_descriptor(list[Path], OptionInfo())
    parameter = TyperOption(param_decls=["--x"], type_descriptor=descriptor, multiple=True)
    for paths in ([tmp_path], [tmp_path, tmp_path / "missing"]):
        texts = tuple(map(str, paths))
        assert _converted(PlainValues(descriptor), texts, parameter) == (list, paths)


def test_demo_has_the_commands_that_it_runs() -> None:
    demo: Any = command_tree("demo")
    assert set(demo.commands) == set(WHOLE.commands)
