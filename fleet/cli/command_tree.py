"""Builds the commands of one line alone, and takes values that are plain as they are.

Typer makes all commands of a program before it reads the line, and imports pydantic to check any value, also a default.
Both together take as long as `fleet status` needs to read a thousand nodes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from typer import core
from typer._coercion import TypeDescriptor, build_runtime_param
from typer.main import get_command

from fleet.cli.registry import program


def first_word(line: Sequence[str], valued: Sequence[str]) -> str:
    """Returns the command that a line names, with its global options first. Empty: the line names none, or asks for
    something else first (`fleet --help status`). `valued`: the options whose value is the next argument."""
    left = iter(line)
    for argument in left:
        if argument in valued:
            next(left, None)
        elif not argument.startswith(tuple(f"{name}=" for name in valued)):
            return "" if argument.startswith("-") else argument
    return ""


def command_tree(word: str) -> Callable[..., object]:
    """Returns the program with the command `word`, ready to be called with a line (`fleet.cli.registry.program`)."""
    return get_command(program(word))


class PlainValues:
    """Stands in for Typer's conversion of one parameter's values, until a value comes that needs it."""

    def __init__(self, descriptor: TypeDescriptor) -> None:
        self._descriptor = descriptor

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Returns the value as the command's function takes it. Raises Typer's BadParameter."""
        annotation = self._descriptor.annotation
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        if is_plain(value, annotation):
            return value
        if annotation is Path and _may_be_read(value):
            return Path(value)
        if get_args(annotation) == (Path,) and type(value) in (list, tuple) and all(map(_may_be_read, value)):
            return [Path(each) for each in value]
        return build_runtime_param(self._descriptor).coerce(value, param=param, ctx=ctx)


# Typer has no setting for this, and every one of its own conversions imports pydantic.
vars(core)["build_runtime_param"] = PlainValues


def is_plain(value: object, annotation: Any) -> bool:
    """Returns whether the value has its parameter's type already, as a text has and most defaults."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is list:
        return type(value) in (list, tuple) and all(is_plain(each, arguments[0]) for each in value)  # type: ignore[attr-defined]
    if arguments:
        return value in arguments
    return type(value) is annotation or (annotation is Path and isinstance(value, Path))


def _may_be_read(value: object) -> bool:
    """Returns whether there is a file or folder of that name which Typer, which checks this, would let pass."""
    return isinstance(value, str) and os.access(value, os.R_OK)
