"""Running an ONNX file in a process of its own, with bounded memory and time.

However endless or gigantic a network is, it can end that process and no other. The process starts
when it is first needed, ends when nothing asks for a while, and is started again then.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np

from .onnx_file import ImportedModelError, import_onnx_package

__all__ = ["OnnxSession"]

_SECONDS = 30.0  # of a processor, for a batch
_BUSY = 5  # times as long a machine may take that has other things to do
_TARGET = 1.0  # seconds that a batch should take
_LARGEST_ANSWER = 1 << 30
_MEMORY = 1_500_000_000


class OnnxSession:
    """A network that runs in a process of its own.

    Args:
        file: path of an ONNX file that `read_onnx_model` accepts, with all weights inside.
        batch: the number of inputs that it always takes, or None for any number.
        memory: bytes that it may take, in addition to four times the size of the file.
        seconds: longest time of a processor that a batch may take on each thread, and opening it.
        threads: threads that compute.
    """

    def __init__(
        self,
        file: Path,
        batch: int | None = None,
        *,
        memory: int = _MEMORY,
        seconds: float = _SECONDS,
        threads: int = 1,
    ) -> None:
        import_onnx_package("onnxruntime")
        self.file = file
        self._batch = batch
        self._memory = memory + 4 * file.stat().st_size
        self._seconds = seconds
        self._threads = threads
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._names: tuple[str, ...] = ()
        self._chunk = batch or 1
        self._closing: weakref.finalize | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs."""
        with self._lock:
            self._running()
        return self._names

    def __call__(self, inputs: np.ndarray) -> list[np.ndarray]:
        """Computes the outputs for a batch.

        Args:
            inputs: float32 `(N, …)`.

        Returns:
            Each output, float32 `(N, …)`.

        Raises:
            ImportedModelError: if the network takes too long or too much memory, or gives
                something else than one result for each input.
        """
        parts: list[list[np.ndarray]] = []
        with self._lock:
            start = 0
            while start < max(len(inputs), 1):
                part = inputs[start : start + self._chunk]
                begun = time.monotonic()
                parts.append(self._run(part))
                took = time.monotonic() - begun
                start += self._chunk
                if self._batch is None:  # as many at once as take about a second
                    fits = self._chunk * _TARGET / max(took, 1e-3)
                    self._chunk = int(np.clip(fits, 1, min(64, 4 * self._chunk)))
        return [np.concatenate(same) for same in zip(*parts, strict=True)]

    def __deepcopy__(self, known: object) -> OnnxSession:
        """Itself: copies of a model share the process."""
        return self

    def close(self) -> None:
        """Ends the process."""
        with self._lock:
            self._stop()

    def _run(self, part: np.ndarray) -> list[np.ndarray]:
        given = part
        if self._batch is not None and len(part) < self._batch:
            given = np.concatenate([part, np.zeros((self._batch - len(part), *part.shape[1:]))])
        packed = io.BytesIO()
        np.savez(packed, np.ascontiguousarray(given, np.float32))
        content = packed.getvalue()
        for last in (False, True):
            process = self._running()
            assert process.stdin is not None
            try:
                process.stdin.write(struct.pack("<cQ", b"N", len(content)) + content)
                process.stdin.flush()
                break
            except OSError:  # it has ended, for nothing was asked for a while
                self._stop()
                if last:
                    raise ImportedModelError(self._failed("ended")) from None
        found = self._answer(process)
        for array in found:
            if array.ndim < 1 or len(array) != len(given):
                raise ImportedModelError(
                    f"{self.file.name} gives {array.shape} for {len(given)} inputs; expected one "
                    "result for each. Export it so that the batch comes first."
                )
        return [array[: len(part)] for array in found]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._stop()
        script = Path(__file__).with_name("runner.py")
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(script), str(self.file), str(self._memory),
             str(self._threads), str(int(self._seconds))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": str(self._threads)},
        )  # fmt: skip
        self._closing = weakref.finalize(self, _end, self._process)
        names = self._answer(self._process)[0]
        self._names = tuple(str(name) for name in names)
        return self._process

    def _answer(self, process: subprocess.Popen[bytes]) -> list[np.ndarray]:
        """What the process sends next; it ends itself, or is ended, if that takes too long."""
        assert process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(_BUSY * self._seconds, end)
        timer.daemon = True
        timer.start()
        try:
            header = process.stdout.read(9)
            letter, length = struct.unpack("<cQ", header) if len(header) == 9 else (b"", 0)
            if length > _LARGEST_ANSWER:
                letter, length = b"", 0
            content = process.stdout.read(length)
        finally:
            timer.cancel()
        if letter not in (b"A", b"R", b"E") or len(content) < length:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
            self._stop()
            out_of_time = late.is_set() or process.returncode == -getattr(signal, "SIGXCPU", 0)
            why = f"took longer than {self._seconds:.0f} s" if out_of_time else "ended"
            raise ImportedModelError(self._failed(why))
        if letter == b"E":
            self._stop()
            raise ImportedModelError(self._failed(content.decode("utf-8", "replace")))
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return [arrays[name] for name in arrays.files]
        except Exception as error:
            self._stop()
            raise ImportedModelError(self._failed("ended")) from error

    def _failed(self, why: str) -> str:
        label = self.file.name
        if "bad_alloc" in why or "MemoryError" in why or "Failed to allocate" in why:
            return (
                f"{label} needs more than {self._memory / 1e6:,.0f} MB of memory; expected a "
                "network that does with less."
            )
        if why.startswith("took"):
            return f"{label} {why} and was ended; expected a network that is quick to compute."
        if why == "ended":
            return f"{label} ended the process that computes it; expected a sound network."
        words = " ".join(why.split())
        words = words.partition(" : ")[2] or words
        return f"{label} cannot be computed: {words[:200]}. Export it again."

    def _stop(self) -> None:
        if self._closing is not None:
            self._closing()
        self._process = self._closing = None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    process.wait()
