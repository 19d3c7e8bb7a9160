"""Options, fixtures and the report of all tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

pytest.register_assert_rewrite("tests.golden")

from tests.golden import GoldenFiles  # noqa: E402 (after its asserts are registered)

REWRITE = "--rewrite-golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        REWRITE, action="store_true", help="run the tests with golden files alone, and write their files anew"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption(REWRITE):
        items[:] = [item for item in items if "golden" in getattr(item, "fixturenames", ())]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> GoldenFiles:
    """The golden files of the test that asks for them: see tests/golden.py."""
    return GoldenFiles(
        request.path, request.function.__name__, rewrite=bool(request.config.getoption(REWRITE))
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Nothing where every test has run. With CI=true a tool that is missing fails its tests instead."""
    skipped = [(each.nodeid, reason(each)) for each in terminalreporter.getreports("skipped")]
    if not skipped:
        return
    all_reports = (each for reports in terminalreporter.stats.values() for each in reports)
    everywhere = {each.nodeid for each in all_reports if isinstance(each, pytest.TestReport)}
    terminalreporter.section("left out, and what it needs")
    for line in left_out(skipped, everywhere):
        terminalreporter.write_line(line)


def reason(report: pytest.TestReport) -> str:
    """Returns the reason that the test gave."""
    assert isinstance(report.longrepr, tuple)
    return str(report.longrepr[2]).removeprefix("Skipped: ")


def left_out(skipped: Iterable[tuple[str, str]], everywhere: Iterable[str]) -> list[str]:
    """A line for each reason, and below it each file with how many of its tests were left out for that.

    `skipped`: tests with their reasons. `everywhere`: all tests that have run or were left out.
    """
    by_reason: dict[str, list[str]] = {}
    for test, why in skipped:
        by_reason.setdefault(why, []).append(test)
    of_file = Counter(map(_file, everywhere))
    lines = []
    for why, tests in by_reason.items():
        files = Counter(map(_file, tests))
        lines += [f"{why}:", *(f"  {file}: {number} of {of_file[file]}" for file, number in files.items())]
    return lines


def _file(test: str) -> str:
    return test.partition("::")[0]
