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
blocks = [bytes(100_000) for _ in range(2_000)]
last = bytes(100_000)
blocks = blocks[::100]  # what stays lies between what is free
"""
LOOP = """
held = [bytearray(200_000_000)]
held[0][::4096] = bytes(len(held[0][::4096]))  # memory that was never written takes no place
held.append(held)
gc.collect()  # what has survived, Python looks at again when many others have
del held
"""
GIVEN_BACK = """
import ctypes, gc, os, sys, threading
from pathlib import Path
from pages.ui.server.allocator import give_back

def used():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

{made}
full, ended = used(), threading.Event()
thread = threading.Thread(target=give_back, args=(ended, 0.01))
thread.start()
threading.Event().wait(1)
ended.set(), thread.join(20)
print(full - used())
"""
SHAPES = """
import ctypes, os, sys
from pages.ui.server.allocator import bound_primitives

if sys.argv[1] == "bound":
    bound_primitives()
import torch

def used():
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))

torch.set_num_threads(1)
layer, before = torch.nn.ConvTranspose2d(32, 32, 4, 2, 1), used()
with torch.no_grad():
    for size in range(1, 401):
        layer(torch.rand(size, 32, 2, 2))
assert "ONEDNN_PRIMITIVE_CACHE_CAPACITY" not in os.environ, "runs would get it"
print(used() - before)
"""
pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="Needs glibc.")


def arenas(tmp_path, how: str) -> int:
    report = tmp_path / how
    subprocess.run([sys.executable, "-c", THREADS, how, str(report)], check=True)
    return report.read_text().count("<heap nr=")


def test_threads_share_two_arenas(tmp_path):
    assert arenas(tmp_path, "bound") <= 2 < arenas(tmp_path, "as ever")
    assert hasattr(ctypes.CDLL(None), "malloc_trim")


@pytest.mark.parametrize("made", [HOLES, LOOP], ids=["holes", "loop"])
def test_what_nobody_uses_goes_back(made):
    script = GIVEN_BACK.replace("{made}", made)
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) > 100e6


def test_code_for_sizes_of_batches_is_kept_within_bounds():
    grown = {
        how: int(
            subprocess.run(
                [sys.executable, "-c", SHAPES, how], check=True, capture_output=True, text=True
            ).stdout
        )
        for how in ("as ever", "bound")
    }
    assert grown["as ever"] > grown["bound"] + 20_000, grown  # kB
