"""Answering a question must not cost the import of what only migrations, or another database, need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.lab.simulation.builders import START, a_node, a_snapshot
from fleet.store import ClusterRow, Store

HEAVY = ("sqlmodel", "sqlalchemy", "pydantic", "alembic", "psycopg")
ASKING = f"""
import sys
from fleet.store import Store

with Store.open(sys.argv[1], create=False) as store:
    print(len(store.inventory.nodes()), [name for name in {HEAVY} if name in sys.modules])
"""

ROLLOUTS = (
    *("checkpoint", "codec", "commands", "decisions", "goal", "replay", "returning_pods"),
    *("rollout", "run", "stages", "hooks"),
)
"""The modules below `fleet.core.rollout` that a rollout is made of."""
QUESTION = f"""
import sys
from fleet.cli.main import run

assert run(["--home", *sys.argv[1:]]) in (0, 5)
print([name for name in (*{HEAVY}, *(f"fleet.core.rollout.{{each}}" for each in {ROLLOUTS})) if name in sys.modules])
"""


ADVISORY = {
    "cveMetadata": {"cveId": "CVE-2026-10001", "state": "PUBLISHED"},
    "containers": {
        "cna": {"affected": [{"vendor": "Linux", "product": "Linux", "defaultStatus": "unaffected"}]}
    },
}


@pytest.mark.parametrize("question", ["status", "exposure --advisory {}", "exposure --advisory {} -o csv"])
def test_question_imports_rollouts_only_where_one_goes_on(tmp_path: Path, question: str) -> None:
    advisory = tmp_path / "advisory.json"
    advisory.write_text(json.dumps(ADVISORY))
    with Store.open(tmp_path / "fleet.db") as store:
        store.clusters.add(ClusterRow(name="east", sites=("fra",), kind="kubeconfig", kubeconfig="/none"))
        store.inventory.sync(a_snapshot([a_node("n-1")]), at=START, source="sync")
    words = question.format(advisory).split()
    done = subprocess.run(
        [sys.executable, "-c", QUESTION, tmp_path, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_reading_nodes_imports_neither_orm_nor_migrations(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    with Store.open(path) as store:
        store.clusters.add(ClusterRow(name="east", sites=("fra",)))
        store.inventory.sync(a_snapshot([a_node("n-1"), a_node("n-2")]), at=START, source="sync")
    done = subprocess.run([sys.executable, "-c", ASKING, path], capture_output=True, text=True, check=True)
    assert done.stdout == "2 []\n"
