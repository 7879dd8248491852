"""What is computed once for all visitors: by what its key is, how much is kept, and by whom."""

from __future__ import annotations

import ast
import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pages.ui.shared import cache
from pages.ui.shared.cache import latent_space
from pages.ui.shared.kept import Results, bytes_of, digest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def calls():
    return []


@pytest.fixture
def counted(calls):
    @cache.shared(4)
    def count(*arguments: object, _tell: bool = False) -> object:
        calls.append(arguments)
        return object()

    yield count
    count.clear()


def test_equal_arguments_compute_once(counted, calls):
    for _ in range(2):
        counted("a", 1, np.arange(3), torch.ones(2), (1.5, None, True))
    assert len(calls) == 1
    assert counted("a") is counted("a")
    assert counted("a", _tell=True) is counted("a", _tell=False)


def test_arrays_count_by_every_element_shape_and_type(counted, calls):
    large = np.zeros(600_000, np.float32)
    for k in range(3):
        other = large.copy()
        other[k] = 1
        counted(other)
    assert len(calls) == 3
    calls.clear()
    zeros = np.zeros(4, np.float32)
    for array in (zeros, zeros.reshape(2, 2), zeros.astype(np.int32), torch.from_numpy(zeros)):
        counted(array)
    assert len(calls) == 4


def test_a_model_counts_by_its_files(counted, calls):
    space = latent_space("digits")
    counted(space)
    counted(replace(space))
    assert len(calls) == 1
    counted(replace(space, stamp="of other files"))
    assert len(calls) == 2


def test_the_oldest_results_go(counted, calls):
    for k in range(5):
        counted(k)
    counted(4)
    assert len(calls) == 5
    counted(0)
    assert len(calls) == 6


def test_what_fails_is_not_kept():
    tries = []

    @cache.shared(4)
    def fail_once() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError
        return 1

    with pytest.raises(ValueError):
        fail_once()
    assert fail_once() == 1


def test_two_at_once_wait_for_one_computation():
    started, go_on, found = threading.Event(), threading.Event(), []

    @cache.shared(4)
    def slow(name: str) -> object:
        assert not started.is_set(), "computed twice"
        started.set()
        assert go_on.wait(10)
        return object()

    threads = [threading.Thread(target=lambda: found.append(slow("a"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(found) == 4 and len(set(map(id, found))) == 1


def test_large_results_go_where_all_together_are_too_many_and_small_ones_stay():
    results, calls = Results(3_000_000), []

    def made(kind: str):
        def make(number: int, size: int) -> bytes:
            calls.append((kind, number))
            return bytes(size)

        return results.keep(make, 100, {})

    one, other = made("one"), made("other")
    for number in range(50):
        one(number, 1_000)  # too small to count
    for number in range(3):
        one(number, 900_000)
    one(0, 900_000)  # used again, so number 1 is now the oldest
    other(0, 900_000)
    assert results.bytes == 3 * 900_000
    calls.clear()
    one(0, 900_000), one(2, 900_000), other(0, 900_000), [one(n, 1_000) for n in range(50)]
    assert calls == []
    one(1, 900_000)
    assert calls == [("one", 1)]
    kept = other(1, 9_000_000)  # more than all together may be
    assert other(1, 9_000_000) is kept and results.bytes == 9_000_000
    other(2, 900_000)
    assert results.bytes == 900_000


def test_what_waits_for_a_computation_that_fails_computes_itself():
    results, running, seen = Results(1), threading.Event(), []

    def fail_once() -> int:
        seen.append(1)
        running.set()
        if len(seen) == 1:
            raise ValueError
        return 1

    kept = results.keep(fail_once, 4, {})
    with ThreadPoolExecutor(4) as pool:
        tries = [pool.submit(kept) for _ in range(4)]
    assert [one.exception() is None for one in tries].count(False) == 1
    assert len(seen) == 2


@dataclass(frozen=True)
class Made:
    array: np.ndarray
    text: str


def test_a_result_weighs_what_it_holds():
    array = np.zeros(1_000_000, np.float32)
    assert bytes_of(array) == bytes_of([array, array[5:]]) == 4_000_000
    assert bytes_of(torch.zeros(500_000)) == 2_000_000
    assert 4_000_100 < bytes_of({"a": Made(array, "x" * 100), "b": b"y" * 50}) < 4_000_400
    assert bytes_of(latent_space("digits").dataset) == 0  # which another cache keeps


def test_equal_values_alone_have_one_digest():
    different = [
        1, 1.0, True, None, "1", b"1", (1,), [1], (1, 2), ((1,), 2), {"a": 1}, Path("1"),
        frozenset((1,)), np.int64(1), np.ones(1), np.ones(1, np.float32), torch.ones(1), "",
        ("ab", "c"), ("a", "bc"), Made(np.ones(2), "a"), Made(np.ones(3), "a"),
    ]  # fmt: skip
    digests = [digest(value, {}) for value in different]
    assert len(set(digests)) == len(different)
    assert digests == [digest(copy.deepcopy(value), {}) for value in different]
    with pytest.raises(TypeError, match="Nothing says when two object"):
        digest(object(), {})


def test_only_one_module_caches_and_each_cache_has_a_bound():
    for file in sorted((ROOT / "pages").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("cache_data", "cache_resource"):
                assert file.name == "cache.py", f"{file} caches without `cache.shared`"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in ("cache_data", "cache_resource"):
                    assert "max_entries" in {word.arg for word in node.keywords}, file
