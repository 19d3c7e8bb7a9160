"""The rules of the tree that import-linter's contracts in pyproject.toml cannot express: docs/architecture.md has
them."""

from __future__ import annotations

import ast
import graphlib
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
MOST_FILES = 13
"""More files than a newcomer takes in at a glance make a second folder."""
MANY_BY_RULE = {"fleet/machines/families"}
"""One file for each family of operating systems: as many as there are."""
LONGEST_FILE = 320
"""Lines. A longer file is about more than one noun, and the second one is a file of its own."""
QUESTION = re.compile(r"(?:What|Whether|How|Why|Where|Which|Who|When)\b")
SHORT = 9
"""Lines. A shorter function is understood by its name and its body."""


def test_imports_are_not_circular() -> None:
    graph = grimp.build_graph("fleet", cache_dir=None)
    order = graphlib.TopologicalSorter(
        {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    )
    assert order.prepare() is None  # type: ignore[func-returns-value]  # raises CycleError, which names the files


def test_folder_has_no_more_files_than_the_limit() -> None:
    counts = {
        folder: sum(1 for each in folder.glob("*.py") if each.stem != "__init__") for folder in _folders()
    }
    crowded = {str(folder): count for folder, count in counts.items() if count > MOST_FILES}
    assert set(crowded) <= MANY_BY_RULE


def test_a_file_is_short_enough_to_be_about_one_noun() -> None:
    lengths = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in _files()}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_module_is_named_as_one_of_the_standard_library() -> None:
    assert [str(path) for path in _files() if path.stem in sys.stdlib_module_names] == []


def test_every_package_has_a_docstring() -> None:
    silent = [
        str(folder)
        for folder in _folders()
        if not (folder / "__init__.py").read_text(encoding="utf-8").startswith('"""')
    ]
    assert silent == []


def test_public_class_has_a_unique_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in _files():
        for node in _parsed(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_public_function_that_is_not_short_has_a_docstring() -> None:
    """Migrations are named as Alembic names them, and the help of a command's callback is that of its group."""
    bare = [
        f"{path}: {function.name}"
        for path in _files()
        if "migrations" not in path.parts
        for function in _public_functions(_parsed(path))
        if (function.end_lineno or 0) - function.lineno + 1 >= SHORT
        and ast.get_docstring(function) is None
        and not any(ast.unparse(each).endswith(".callback()") for each in function.decorator_list)
    ]
    assert bare == []


def test_docstring_begins_with_a_verb_and_not_with_a_question() -> None:
    asking = [
        f"{path}:{node.body[0].lineno}"
        for path in _files()
        for node in ast.walk(_parsed(path))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and QUESTION.match(ast.get_docstring(node) or "")
    ]
    assert asking == []


def _public_functions(scope: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in scope.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public_functions(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _files() -> Iterator[Path]:
    """Modules of the package, without the playbooks that it links to and the programs that the lab builds."""
    for path in sorted(Path("fleet").rglob("*.py")):
        if "playbooks" not in path.parts and path.stem != "__init__":
            yield path


def _folders() -> list[Path]:
    return sorted({path.parent for path in _files()})
