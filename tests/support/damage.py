"""Every way in which a file of a run or a checkpoint is damaged in tests."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

VALUES = {  # of a JSON field, whatever belongs there
    "NaN": float("nan"),
    "infinite": float("-inf"),
    "huge": 10**30,
    "beyond floats": 10**400,
    "negative": -7,
    "a fraction": 0.5,
    "text": "1",
    "true": True,
    "null": None,
    "a nested list": [1, [2, ["x"]]],
    "an object": {"a": {}},
    "an empty list": [],
}
TEXTS = {  # in place of a whole file or of a line
    "empty": b"",
    "binary": bytes(range(256)) * 8,
    "nothing": b"null",
    "a list": b"[1, 2]",
    "a number": b"1e999",
    "deep": b"[" * 100_000,
    "no fields": b"{}",
    "no key": b'{"": 1}',
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a long text": b'{"dataset": "' + b"x" * 900_000 + b'"}',
    "the same key twice": b'{"dataset": "digits", "dataset": 7, "step": -1, "step": "x"}',
}


def damages(file: Path, fields: bool = True) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Ways to damage a file: what each is, and a function that does it to a copy of the file.

    Args:
        file: whole.
        fields: damages each field by itself, too.
    """
    content = file.read_bytes()
    yield "a folder", _folder
    for name, text in TEXTS.items():
        yield name, _writes(text)
    yield "after a byte order mark", _writes(b"\xef\xbb\xbf" + content)
    yield "not UTF-8", _writes(content.replace(b'"', b'"\xff', 1))
    yield "twice", _writes(content + content)
    yield "zeros", _writes(bytes(len(content)))
    yield "enormous", _enormous
    yield "a pipe", _pipe
    yield "half", _writes(content[: len(content) // 2])
    yield "cut at its end", _writes(content[:-3])
    if file.suffix == ".json":
        yield from _json(json.loads(content), fields, lambda value: _dump(value))
    elif file.suffix == ".jsonl":
        *lines, last = content.splitlines()
        before = b"".join(line + b"\n" for line in lines)
        for name, text in TEXTS.items():
            yield f"last line {name}", _writes(before + text + b"\n")
        yield from _json(json.loads(last), fields, lambda value: before + _dump(value))
    elif file.suffix == ".safetensors":
        yield from _tensors(content, fields)


def absences(file: Path) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Ways in which a file is not there, as `damages`."""
    yield "gone", Path.unlink
    yield "a link to nothing", _link("nowhere")
    yield "a link to itself", _link(file.name)


def _folder(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.mkdir(parents=True)
    (path / "inside").write_text("kept")


def _enormous(path: Path) -> None:
    with path.open("wb") as out:
        out.truncate(150_000_000)  # which takes no place on the disk


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(target: str) -> Callable[[Path], None]:
    def link(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return link


def restore(path: Path, content: bytes) -> None:
    """Makes a file whole again, whatever lies in its place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def _writes(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _json(
    value: dict[str, Any], fields: bool, dump: Callable[[Any], bytes]
) -> Iterator[tuple[str, Callable[[Path], None]]]:
    for name, wrong in VALUES.items():
        yield f"all fields {name}", _writes(dump(dict.fromkeys(value, wrong)))
    for field in value if fields and isinstance(value, dict) else ():
        for name, wrong in VALUES.items():
            yield f"{field} {name}", _writes(dump(value | {field: wrong}))
        yield f"no {field}", _writes(dump({k: v for k, v in value.items() if k != field}))
        if isinstance(value[field], dict):
            for inner, change in _json(value[field], True, _dump):
                if inner.startswith("all fields"):
                    yield f"{field}: {inner}", _inner(value, field, change, dump)


def _inner(value: dict, field: str, change: Callable[[Path], None], dump: Callable) -> Callable:
    def write(path: Path) -> None:
        change(path)
        path.write_bytes(dump(value | {field: json.loads(path.read_bytes())}))

    return write


def _tensors(content: bytes, fields: bool) -> Iterator[tuple[str, Callable[[Path], None]]]:
    arrays = safetensors.numpy.load(content)
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]

    def save(changed: dict[str, np.ndarray], about: dict[str, str] = metadata) -> Callable:
        return _writes(safetensors.numpy.save(changed, metadata=about))

    yield "no tensors", save({})
    yield "no metadata", save(arrays, {"format": metadata["format"]})
    yield "another program's", save(arrays, {})
    for name in list(arrays) if fields else list(arrays)[:1]:
        array = arrays[name]
        rest = {k: v for k, v in arrays.items() if k != name}
        yield f"no {name}", save(rest)
        yield f"{name} empty", save(arrays | {name: array[:0]})
        yield f"{name} of a row", save(arrays | {name: array[:1]})
        yield f"{name} deeper", save(arrays | {name: array[None]})
        yield f"{name} of one number", save(arrays | {name: np.zeros((), array.dtype)})
        yield f"{name} of bytes", save(arrays | {name: array.astype(np.uint8)})
        yield f"{name} zero", save(arrays | {name: np.zeros_like(array)})
        yield f"{name} whole numbers", save(arrays | {name: array.astype(np.int64) - 5})
        if array.dtype.kind == "f":
            for value in (np.nan, np.inf, np.finfo(array.dtype).max, -1):
                yield f"{name} {value}", save(arrays | {name: np.full_like(array, value)})
    for key in metadata:
        for text in ("", "{", "null", "[[1]]", "1e999", '"x"', '{"step": -1}', "[" * 100_000):
            yield f"metadata {key} {text[:9]}", save(arrays, metadata | {key: text})
