"""Compiles kernel.c to kernel.wasm with the C compiler in the `ziglang` wheel.

python -m pages.ui.decoder.build
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["compile_kernel"]

_HERE = Path(__file__).parent
_FLAGS = (
    "-target wasm32-freestanding -O3 -msimd128 -nostdlib "
    "-Wl,--no-entry -Wl,--strip-all -Wl,--export=__heap_base"
).split()


def compile_kernel() -> bytes:
    """Compiles `kernel.c` to a WebAssembly module.

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
            "-o",
            target,
            _HERE / "kernel.c",
        ]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"The kernel does not compile:\n{done.stderr}")
        return target.read_bytes()


if __name__ == "__main__":
    module = compile_kernel()
    (_HERE / "kernel.wasm").write_bytes(module)
    print(f"kernel.wasm: {len(module):,} bytes")
