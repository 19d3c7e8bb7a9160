"""Writes the JSON Schemas beside this file from the structs of `fleet.core`: `python docs/schemas/generate.py`."""

from __future__ import annotations

from pathlib import Path

from fleet.core import schemas

HERE = Path(__file__).parent


def main() -> None:
    for name in schemas.PUBLISHED:
        (HERE / f"{name}.json").write_text(schemas.text(name), encoding="utf-8")


if __name__ == "__main__":
    main()
