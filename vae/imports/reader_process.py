"""Reading a file in a process of its own, which it may crash, and whose memory and time end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

from ..datasets.base import DatasetError
from ..schema import SchemaError, decode

__all__ = ["read_apart"]

_MEMORY = 500_000_000  # bytes, in addition to three times the size of the file
_SECONDS = 20  # of a processor, and another for so many bytes
_BYTES = 10_000_000


class _Said(TypedDict, total=False):
    names: list[str]
    refused: str
    damaged: str


def read_apart(script: str, file: Path, folder: Path, label: str, kind: str) -> list[str]:
    """Lets one of the scripts beside this module read a file.

    Args:
        script: name of the script; it is told the file and the folder, and its last line says
            `names`, why it is `refused` (the rest of a sentence about the file, and what to do),
            or how it is `damaged`, as JSON.
        file: path of the file.
        folder: folder that the script writes into.
        label: description in messages, such as "a.mat".
        kind: what the file is expected to be, such as "MATLAB file".

    Returns:
        The names that the script said.

    Raises:
        DatasetError: if the file cannot be read, or takes too much memory or time.
    """
    size = file.stat().st_size
    memory, seconds = _MEMORY + 3 * size, _SECONDS + size // _BYTES
    process = subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__).with_name(script)), str(file), str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    with process:
        _bound(process.pid, memory, seconds)
        assert process.stdout is not None
        output = process.stdout.read()
    if process.returncode:
        raise DatasetError(
            f"{label} ended the process that read it, which may take {memory / 1e6:,.0f} MB and "
            f"{seconds} s. If it is no damaged {kind}, save it in smaller parts."
        )
    try:
        said: _Said = decode(output.strip().rpartition(b"\n")[2], _Said)
    except SchemaError as error:
        said = {"damaged": str(error)}
    if (why := said.get("refused")) is not None:
        raise DatasetError(f"{label} {why}")
    if (how := said.get("damaged")) is not None:
        how = how.strip().removesuffix(".")
        raise DatasetError(
            f"{label} is damaged, or no {kind} ({how}). Fetch it again, or save it anew."
        )
    return said.get("names", [])


def _bound(process: int, memory: int, seconds: int) -> None:
    """Bounds a process that has just begun, where the system does that for others."""
    if sys.platform != "linux":
        return
    import resource

    for what, most in (("RLIMIT_DATA", memory), ("RLIMIT_CPU", seconds), ("RLIMIT_CORE", 0)):
        resource.prlimit(process, getattr(resource, what), (most, most))
