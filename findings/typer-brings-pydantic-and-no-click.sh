#!/usr/bin/env bash
# typer 0.29.2 and typer 0.16.0 (PyPI), each in an environment of its own, Python 3.11 or newer.
#
# What is done: the same program of one command without parameters is started with both. It prints whether click and pydantic
# are installed beside typer, and which of them its process has imported, before the command line is read and within the
# command.
#
# One would expect: typer is a layer over click, as its documentation said for years: a program may use click's
# exceptions and contexts (click.UsageError, click.get_current_context) beside it, and pays for nothing else.
#
# What is seen: with 0.16.0 click is installed and imported, pydantic is not. With 0.29.2 there is no click at all, so that
# `import click`, or an `except click.UsageError`, is a ModuleNotFoundError unless the program declares click itself (and
# then catches nothing that typer raises); and pydantic is installed and imported on every run of a command, also of one without
# parameters. `import typer` alone does not import it yet, so that measuring that shows nothing.
#
# Needs bash, Python 3.11 or newer and PyPI. Exits 0 while it is so, and 1 where the behaviour has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for pair in 0.16.0:click==8.5.1 0.29.2:pydantic==2.14.4; do
    version=${pair%%:*}
    python3 -m venv "$version"
    "$version/bin/pip" -q install "typer==$version" "${pair#*:}" > build.log 2>&1 || { cat build.log >&2; exit 2; }
done

cat > program.py <<'PY'
import sys
from importlib.util import find_spec

import typer


def imported() -> str:
    return " ".join(name for name in ("click", "pydantic") if name in sys.modules) or "neither"


installed = " ".join(name for name in ("click", "pydantic") if find_spec(name)) or "neither"
before = imported()


def main() -> None:
    print(f"installed {installed}; imported by typer: {before}; within the command: {imported()}")


typer.run(main)
PY
old=$(0.16.0/bin/python program.py)
new=$(0.29.2/bin/python program.py)
echo "typer 0.16.0: $old"
echo "typer 0.29.2: $new"
[ "$old" = "installed click; imported by typer: click; within the command: click" ] || exit 1
[ "$new" = "installed pydantic; imported by typer: neither; within the command: pydantic" ] || exit 1
