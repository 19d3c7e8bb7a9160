from __future__ import annotations

import pytest

from fleet.kube.kinds.quantity import MOST, milli, whole


@pytest.mark.parametrize(
    ("text", "millicores"),
    [
        ("100m", 100),
        ("1", 1000),
        ("0.5", 500),
        (".5", 500),
        ("1.", 1000),
        ("2e3", 2_000_000),
        ("2E3", 2_000_000),
        ("100u", 1),
        ("1n", 1),
        ("0", 0),
        ("1k", 1_000_000),
    ],
)
def test_cpu_is_in_millicores_rounded_up(text: str, millicores: int) -> None:
    assert milli(text) == millicores


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1.5Gi", 3 << 29),
        ("128Mi", 128 << 20),
        ("1Ki", 1024),
        ("1k", 1000),
        ("1M", 1_000_000),
        ("1E", 10**18),
        ("1E2", 100),
        ("129e6", 129_000_000),
        ("123456789", 123456789),
        ("100m", 1),
        ("-1Ki", -1024),
    ],
)
def test_memory_is_in_bytes_rounded_up(text: str, count: int) -> None:
    assert whole(text) == count


@pytest.mark.parametrize(
    "text", ["", "x", "1 Gi", "1gi", "Gi", "1e", "--1", "1e999", "0x10", "NaN", "1" * 200]
)
def test_invalid_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a quantity such as 500m or 1\.5Gi, found"):
        whole(text)


def test_huge_quantity_is_capped() -> None:
    assert whole("99999999Ei") == MOST
    assert whole(110) == 110
