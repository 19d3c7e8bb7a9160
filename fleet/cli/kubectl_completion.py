"""Completes the words of `kubectl fleet` (`kubectl_complete-fleet`).

kubectl runs a program of this name, if one is on the PATH, with the words behind `kubectl fleet`, of which the last one is
being typed. The program prints a choice a line, with a description behind a tab, and in the last line what the shell may do
beside: https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/kubectl/pkg/cmd/plugin_completion.go
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout, suppress
from io import StringIO

from fleet.cli.main import run

DEFAULT = ":0"
"""The shell does what it does elsewhere: it offers files where there is no choice (ShellCompDirectiveDefault of Cobra)."""


def main() -> None:
    """Prints the choices for the words of this process's command line."""
    os.environ.update(asked(sys.argv[1:]))
    printed = StringIO()
    # Typer ends the process when it has printed the choices.
    with redirect_stdout(printed), suppress(SystemExit):
        run([])
    for line in filter(None, printed.getvalue().splitlines()):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{DEFAULT}\n")


def asked(words: Sequence[str]) -> Mapping[str, str]:
    """Returns the environment by which Typer is asked for choices with descriptions, as fish asks. `words`: those behind
    `kubectl fleet`; the last one is not complete."""
    *whole, last = words or [""]
    line = f"{shlex.join(['fleet', *whole])} {shlex.quote(last) if last else ''}"
    return {
        "_FLEET_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": line,
    }
