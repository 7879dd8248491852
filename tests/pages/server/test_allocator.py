"""The server keeps little of the memory that its threads have freed."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

THREADS = """
import ctypes, sys, threading
from pages.ui.server.allocator import bound_arenas

if sys.argv[1] == "bound":
    bound_arenas()
libc, all_there, held = ctypes.CDLL(None), threading.Barrier(16), []
libc.fopen.restype, libc.malloc.restype = ctypes.c_void_p, ctypes.c_void_p

def work():
    libc.malloc(1_000)
    all_there.wait()

threads = [threading.Thread(target=work) for _ in range(16)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
file = ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b"w"))
libc.malloc_info(0, file), libc.fclose(file)
"""
HOLES = """
import ctypes, os, sys, threading
from pathlib import Path
from pages.ui.server.allocator import give_back

def used():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

blocks = [bytes(100_000) for _ in range(2_000)]
last = bytes(100_000)
blocks = blocks[::100]  # what stays lies between what is free
full, ended = used(), threading.Event()
thread = threading.Thread(target=give_back, args=(ended, 0.01))
thread.start()
threading.Event().wait(1)
ended.set(), thread.join(20)
print(full - used())
"""
pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="Needs glibc.")


def arenas(tmp_path, how: str) -> int:
    report = tmp_path / how
    subprocess.run([sys.executable, "-c", THREADS, how, str(report)], check=True)
    return report.read_text().count("<heap nr=")


def test_threads_share_two_arenas(tmp_path):
    assert arenas(tmp_path, "bound") <= 2 < arenas(tmp_path, "as ever")
    assert hasattr(ctypes.CDLL(None), "malloc_trim")


def test_what_is_free_between_blocks_goes_back():
    done = subprocess.run(
        [sys.executable, "-c", HOLES], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) > 100e6
