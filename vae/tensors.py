"""Files of named tensors: written whole, read strictly, and safe to open."""

from __future__ import annotations

import json
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from .files import write_file
from .schema import SchemaError, decode

__all__ = [
    "FORMAT",
    "CheckpointError",
    "check_arrays",
    "open_tensors",
    "read_tensors",
    "write_tensors",
]

FORMAT = "latent-space-explorer/1"
"""What the header of each such file names as its format."""

_LARGEST_HEADER = 1_000_000  # bytes
_LARGEST_FILE = 1_000_000_000  # bytes, which take twice their number in memory while they are read
_TYPES = ("U8", "F16", "F32", "I64")
_LARGEST_NUMBER = 1e9  # bound on codes and nats: far outside any data, and squares do not overflow
_WORDS = {"f": "fractions", "i": "whole numbers", "u": "bytes"}


class CheckpointError(ValueError):
    """A checkpoint that cannot be read; the message says what was found and what was expected."""


def write_tensors(file: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, Any]) -> None:
    """Writes a safetensors file under a temporary name and renames it.

    Args:
        file: path of the file; its folder is created if missing.
        tensors: tensors `(…)` by name.
        metadata: values by name, stored as JSON beside the format version.
    """
    header = {"format": FORMAT} | {k: json.dumps(v) for k, v in metadata.items()}
    content = safetensors.torch.save(tensors, metadata=header)
    # Sorted for reproducible bytes; the order of the library is random.
    length = struct.unpack("<Q", content[:8])[0]
    start = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True, separators=(",", ":"))
    padded = start.encode() + b" " * (-len(start.encode()) % 8)
    write_file(file, struct.pack("<Q", len(padded)) + padded + content[8 + length :])


def read_tensors(file: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Reads arrays and metadata that `write_tensors` wrote.

    Returns:
        Arrays `(…)` by name, and the metadata.

    Raises:
        CheckpointError: if the file is missing, damaged, of another format, or has values that
            are not finite.
    """
    with open_tensors(file, "np") as opened:
        metadata = {}
        for key, text in opened.metadata().items():
            if key != "format":
                try:
                    metadata[key] = decode(text)
                except SchemaError as error:
                    raise CheckpointError(f"{file}: header field {key}: {error}.") from error
        arrays = {name: _read_array(file, name, opened) for name in opened.keys()}
    return arrays, metadata


def _read_array(file: Path, name: str, opened: safe_open) -> np.ndarray:
    if (dtype := opened.get_slice(name).get_dtype()) not in _TYPES:
        raise CheckpointError(
            f"{file}: tensor {name} has type {dtype}; expected {', '.join(_TYPES)}."
        )
    array = opened.get_tensor(name)
    if array.dtype.kind == "f" and not np.isfinite(_extremes(array)).all():
        raise CheckpointError(f"{file}: tensor {name} has values that are not finite.")
    return array


def _extremes(array: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest value, found without a copy; NaN where one of them is."""
    return (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)


def check_arrays(
    file: Path | str,
    arrays: dict[str, np.ndarray],
    expected: dict[str, tuple[str, tuple[str | int, ...]]],
    required: Collection[str],
) -> None:
    """Checks types, shapes and ranges of the arrays of a file.

    Args:
        file: file that messages name.
        arrays: arrays by name; unexpected ones are ignored.
        expected: allowed `dtype.kind` characters and shape of each array; a letter in a shape is
            a positive size that is the same in all arrays: `("N", "D")`, `("N", 2)`.
        required: names of the arrays that must be present.

    Raises:
        CheckpointError: if an array is missing or does not match; the message names it, what was
            found and what was expected.
    """
    sizes: dict[str, int] = {}
    for name, (kinds, shape) in expected.items():
        if name not in arrays:
            if name in required:
                raise CheckpointError(f"{file}: the array {name} is missing.")
            continue
        array = arrays[name]
        if array.ndim == len(shape):
            for size, letter in zip(array.shape, shape, strict=True):
                if isinstance(letter, str) and size:
                    sizes.setdefault(letter, size)
        fitting = tuple(sizes.get(s, s) if isinstance(s, str) else s for s in shape)
        if array.shape != fitting or array.dtype.kind not in kinds:
            raise CheckpointError(
                f"{file}: {name} is {array.shape} {array.dtype}; expected {fitting} of "
                f"{' or '.join(_WORDS[kind] for kind in kinds)}."
            )
        largest = max(map(abs, _extremes(array))) if array.dtype.kind == "f" else 0.0
        if largest > _LARGEST_NUMBER:
            raise CheckpointError(
                f"{file}: {name} reaches {largest:.0e}; expected at most {_LARGEST_NUMBER:.0e}."
            )


def open_tensors(file: Path, framework: str) -> safe_open:
    """Opens a safetensors file, whose header is validated, without reading tensors.

    Args:
        file: path of the file.
        framework: `np` or `pt`, in which its tensors are read.

    Raises:
        CheckpointError: if the file is missing, too large, damaged or of another format.
    """
    if not file.is_file():
        raise CheckpointError(f"{file}: no such file; expected a checkpoint folder that holds it.")
    try:
        if (size := file.stat().st_size) > _LARGEST_FILE:
            raise CheckpointError(f"{file}: {size:,} bytes; expected at most {_LARGEST_FILE:,}.")
        with file.open("rb") as stream:
            header = int.from_bytes(stream.read(8), "little")
        if header > _LARGEST_HEADER:
            raise CheckpointError(
                f"{file}: the header claims {header:,} bytes; expected a safetensors file with "
                f"at most {_LARGEST_HEADER:,}."
            )
        opened = safe_open(file, framework)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{file}: found {str(error)[:300]}; expected a safetensors file, whole and unchanged. "
            "Fetch it again."
        ) from error
    if (version := (opened.metadata() or {}).get("format")) != FORMAT:
        raise CheckpointError(f"{file}: header field format is {version!r}; expected {FORMAT!r}.")
    return opened
