"""The process in which a foreign network runs: started by `session.py`, with limits of its own.

It imports nothing of this library. A message in either direction is a letter, a length and that
many bytes; arrays travel as `.npz`.
"""

from __future__ import annotations

import io
import select
import struct
import sys
import time
from typing import Any, BinaryIO

import numpy as np

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

_IDLE = 600  # seconds without a request, after which it ends


def _limit_memory(memory: int) -> None:
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time(seconds: int) -> None:
    """Ends this process if it computes for longer from now on, even if nobody waits for it."""
    if resource is not None:
        ends = int(time.process_time()) + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (ends, resource.RLIM_INFINITY))


def _open(file: str, threads: int) -> Any:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # its memory is never given back
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _send(out: BinaryIO, letter: bytes, content: bytes) -> None:
    out.write(struct.pack("<cQ", letter, len(content)) + content)
    out.flush()


def _arrays(arrays: list[np.ndarray]) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, *arrays)
    return packed.getvalue()


def _waits(stream: BinaryIO) -> bool:
    if sys.platform == "win32":
        return True
    return bool(select.select([stream], [], [], _IDLE)[0])


def main(file: str, memory: int, threads: int, seconds: int) -> None:
    """Answers requests until its input ends, or nothing comes for a while.

    Args:
        file: path of the ONNX file.
        memory: bytes that it may take.
        threads: threads that compute.
        seconds: seconds of a processor that a request may take on each thread.
    """
    incoming, out = sys.stdin.buffer, sys.stdout.buffer
    _limit_memory(memory)
    _limit_time(seconds * threads)
    try:
        session = _open(file, threads)
        entry = session.get_inputs()[0]
        _send(out, b"R", _arrays([np.array([o.name for o in session.get_outputs()])]))
    except BaseException as error:
        _send(out, b"E", f"{type(error).__name__}: {error}".encode()[:2_000])
        return
    while _waits(incoming):
        header = incoming.read(9)
        if len(header) < 9:
            return
        content = incoming.read(struct.unpack("<cQ", header)[1])
        _limit_time(seconds * threads)
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                given = arrays["arr_0"]
            found = [np.asarray(a, np.float32) for a in session.run(None, {entry.name: given})]
            _send(out, b"A", _arrays(found))
        except BaseException as error:
            _send(out, b"E", f"{type(error).__name__}: {error}".encode()[:2_000])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
