"""Compiles kernel.c to two WebAssembly modules with the C compiler in the `ziglang` wheel.

python -m pages.ui.decoder.build
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["MODULES", "compile_kernel"]

MODULES = {"kernel.wasm": "-msimd128", "kernel-relaxed.wasm": "-msimd128 -mrelaxed-simd"}
"""Modules and their instructions: the second needs a browser with relaxed SIMD."""

_HERE = Path(__file__).parent
_FLAGS = (
    "-target wasm32-freestanding -O3 -nostdlib "
    "-Wl,--no-entry -Wl,--strip-all -Wl,--export=__heap_base"
).split()


def compile_kernel(name: str) -> bytes:
    """Compiles `kernel.c` to a WebAssembly module, one of `MODULES`.

    Raises:
        RuntimeError: with the message of the compiler, if it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "kernel.wasm"
        command = [
            sys.executable,
            "-m",
            "ziglang",
            "cc",
            *_FLAGS,
            *MODULES[name].split(),
            "-o",
            target,
            _HERE / "kernel.c",
        ]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"The kernel does not compile:\n{done.stderr}")
        return target.read_bytes()


if __name__ == "__main__":
    for name in MODULES:
        module = compile_kernel(name)
        (_HERE / name).write_bytes(module)
        print(f"{name}: {len(module):,} bytes")
