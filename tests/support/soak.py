"""What is long by nature: whole under the marker `soak`, and a seeded sample of it always."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

__all__ = ["WHOLE", "sample", "share"]

WHOLE = None


def share(name: str, count: int, whole: int | None = WHOLE):
    """Runs a test twice: with so many cases of many, and, under `soak`, with `whole` (all).

    Args:
        name: of the test's argument.
        count: of the sample.
        whole: how many under `soak`; `WHOLE` for each there is.
    """
    values = [
        pytest.param(count, id="sample"),
        pytest.param(whole, id="whole", marks=pytest.mark.soak),
    ]
    return pytest.mark.parametrize(name, values)


def sample(cases: Sequence[Any], count: int | None, seed: object = 0) -> list[Any]:
    """So many of the cases, the same each time; all where the count is `WHOLE`."""
    if count is WHOLE or count >= len(cases):
        return list(cases)
    return random.Random(str(seed)).sample(list(cases), count)
