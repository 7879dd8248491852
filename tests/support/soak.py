"""What is long by nature: whole under the marker `soak`, and a seeded sample of it always."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Sequence
from typing import Any

import pytest

__all__ = ["WHOLE", "always", "product", "sample", "share"]

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


def always(names: str, cases: Sequence[Any], kept: Collection[Any]):
    """Runs a test for each case, of which only some are no part of `soak`.

    Args:
        names: of the test's arguments.
        cases: a value each, or a tuple where there are several arguments.
        kept: the cases that always run, by their first value.
    """
    first = [case[0] if isinstance(case, tuple) else case for case in cases]
    assert set(kept) <= set(first), f"{set(kept) - set(first)} are no cases"
    values = [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            id=str(name) or "empty",
            marks=() if name in kept else pytest.mark.soak,
        )
        for name, case in zip(first, cases, strict=True)
    ]
    return pytest.mark.parametrize(names, values)


def product(count: int, **axes: Sequence[Any]):
    """Runs a test for each combination of its arguments' values, of which some always run.

    Args:
        count: of the combinations that are no part of `soak`, a seeded sample.
        axes: values of each argument.
    """
    cases = list(itertools.product(*axes.values()))
    kept = set(sample(range(len(cases)), count))
    values = [
        pytest.param(
            *case,
            id="-".join(str(part)[:24].encode("unicode_escape").decode() for part in case),
            marks=() if number in kept else pytest.mark.soak,
        )
        for number, case in enumerate(cases)
    ]
    return pytest.mark.parametrize(list(axes), values)


def sample(cases: Sequence[Any], count: int | None, seed: object = 0) -> list[Any]:
    """So many of the cases, the same each time; all where the count is `WHOLE`."""
    if count is WHOLE or count >= len(cases):
        return list(cases)
    return random.Random(str(seed)).sample(list(cases), count)
