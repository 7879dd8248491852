"""Reads one Parquet file in a process of its own, as a script: a page can say that it is huge.

    python parquet_reader.py FILE FOLDER

Writes the pictures one after another into `pictures` in the folder, the bytes of each as
`sizes.npy`, and `columns.json`: the names of the pictures, and the values of each plain column.
The last line of its output says the names of the columns, or what is wrong, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_IMAGES = ("image", "img", "picture", "pixels", "bytes")
_MOST_COLUMNS, _MOST_ROWS, _MOST_CELLS = 200, 1_000_000, 10_000_000
_LARGEST_PICTURE = 64 << 20
_LARGEST_TOGETHER = 64 << 30
_LONGEST = 1_000  # characters of a text
_ROWS = 64  # that are read together


class _RefusedError(Exception):
    pass


def main(file: str, folder: Path) -> dict[str, object]:
    """Reads the file; what it says goes to the process that asked."""
    try:
        return {"names": _read(file, folder)}
    except _RefusedError as refusal:
        return {"refused": str(refusal)}
    except MemoryError:
        return {"refused": "unpacks to far more than its bytes. Save it in smaller parts."}
    except Exception as error:  # pyarrow raises errors of many types on damaged bytes
        return {"damaged": str(error)[:300]}


def _read(file: str, folder: Path) -> list[str]:
    import numpy as np
    import pyarrow.parquet

    opened = pyarrow.parquet.ParquetFile(file)
    schema = opened.schema_arrow
    column = _picture_column(schema)
    plain = [f.name for f in schema if f.name != column and _is_plain(f.type)][:_MOST_COLUMNS]
    names: list[str] = []
    sizes: list[int] = []
    values: dict[str, list[Any]] = {name: [] for name in plain}
    with (folder / "pictures").open("wb") as out:
        for batch in opened.iter_batches(_ROWS, columns=[column, *plain]):
            rows = len(sizes) + len(batch)
            if rows > _MOST_ROWS or rows * len(plain) > _MOST_CELLS:
                raise _RefusedError(
                    f"has more than {_MOST_ROWS:,} rows, or {_MOST_CELLS:,} values beside the "
                    "pictures. Save it in smaller parts."
                )
            for entry in batch.column(column).to_pylist():
                content, name = _content(entry)
                if len(content) > _LARGEST_PICTURE or out.tell() > _LARGEST_TOGETHER:
                    raise _RefusedError(
                        f"holds {len(content):,} bytes for picture {len(sizes)}; expected at most "
                        f"{_LARGEST_PICTURE:,}, and {_LARGEST_TOGETHER:,} in all. Take it out."
                    )
                out.write(content)
                sizes.append(len(content))
                names.append(name[:_LONGEST])
            for name in plain:
                values[name] += map(_short, batch.column(name).to_pylist())
    np.save(folder / "sizes.npy", np.array(sizes, np.int64))
    about = (schema.metadata or {}).get(b"huggingface", b"").decode("utf-8", "replace")
    told = {"about": about, "names": names, "values": list(values.values())}
    (folder / "columns.json").write_text(json.dumps(told, default=str))
    return plain


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value[:_LONGEST]
    return None if isinstance(value, float) and value - value != 0 else value


def _picture_column(schema: Any) -> str:
    import pyarrow

    def fits(kind: Any) -> bool:
        if pyarrow.types.is_struct(kind):
            return any(field.name == "bytes" for field in kind)
        return pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind)

    fitting = [field.name for field in schema if fits(field.type)]
    preferred = [name for name in fitting if name.lower() in _IMAGES]
    if not fitting:
        raise _RefusedError(
            f"has no column of encoded pictures; found {', '.join(schema.names)[:200]}. Expected "
            "one with the bytes of PNG or JPEG files, such as Hugging Face exports."
        )
    return str((preferred or fitting)[0])


def _is_plain(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_dictionary(kind)
    )


def _content(entry: Any) -> tuple[bytes, str]:
    """Bytes and name of a picture; empty bytes, which are listed as broken, where it has none."""
    if isinstance(entry, dict):
        return entry.get("bytes") or b"", str(entry.get("path") or "")
    return entry or b"", ""


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
