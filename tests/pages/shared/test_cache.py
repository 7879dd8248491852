"""What is computed once for all visitors: by what its key is, how much is kept, and by whom."""

from __future__ import annotations

import ast
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pages.ui.shared import cache
from pages.ui.shared.cache import latent_space

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
    large = np.zeros(600_000, np.float32)  # of which Streamlit would look at a part
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


def test_only_one_module_caches_and_each_cache_has_a_bound():
    for file in sorted((ROOT / "pages").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("cache_data", "cache_resource"):
                assert file.name == "cache.py", f"{file} caches without `cache.shared`"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in ("cache_data", "cache_resource"):
                    assert "max_entries" in {word.arg for word in node.keywords}, file
