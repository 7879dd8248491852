"""Arrays in files: read when they are looked at, and given back."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from vae.mapped import map_array, map_npy, release


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def numbers():
    return np.random.default_rng(0).integers(0, 256, (400, 3, 64, 64), np.uint8)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Needs Linux.")
def test_what_was_looked_at_is_given_back_and_read_again(tmp_path, numbers):
    np.save(tmp_path / "a.npy", numbers)
    mapped = map_npy(tmp_path / "a.npy")
    unread = resident()
    assert mapped.sum() == numbers.sum()
    assert resident() - unread > 0.8 * numbers.nbytes
    release()
    assert resident() - unread < 0.2 * numbers.nbytes
    assert np.array_equal(mapped, numbers)


def test_nothing_that_is_written_reaches_the_file(tmp_path, numbers):
    (tmp_path / "raw").write_bytes(b"head" + numbers.tobytes())
    mapped = map_array(tmp_path / "raw", np.dtype(np.uint8), 4, numbers.shape)
    mapped[0] = 0
    assert (tmp_path / "raw").read_bytes()[4:] == numbers.tobytes()


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_both_headers_are_read(tmp_path, numbers, version):
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, numbers, version)
    assert np.array_equal(map_npy(tmp_path / "a.npy"), numbers)


def test_what_is_no_such_file_is_refused(tmp_path, numbers):
    file = tmp_path / "a.npy"
    for content in (b"", b"\x93NUMPY\x03\x00", b"no array"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r".+"):
            map_npy(file)
    np.save(file, numbers)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(TypeError, match="small"):
        map_npy(file)
    for odd in (np.asfortranarray(numbers), np.array([None])):
        np.save(file, odd)
        with pytest.raises(ValueError, match="row by row"):
            map_npy(file)
