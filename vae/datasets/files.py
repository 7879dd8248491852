"""Reading shipped arrays and IDX files, and fetching what is not shipped."""

from __future__ import annotations

import gzip
import hashlib
import os
import urllib.request
import zlib
from collections.abc import Iterable
from http.client import HTTPException
from pathlib import Path

import numpy as np

from .base import DatasetError, Progress

__all__ = ["download", "read_arrays", "read_idx"]


def read_arrays(file: Path, **shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Read named uint8 arrays of known shapes from an `.npz` file.

    Raises:
        DatasetError: The file is missing, damaged, or holds something else.
    """
    repair = f"Fetch {file.name} again, e.g. by `git checkout -- {file.name}` in its folder."
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in shapes}
    except FileNotFoundError:
        raise DatasetError(f"{file} is missing. {repair}") from None
    except Exception as error:  # zipfile, zlib and numpy raise many kinds on damaged bytes
        raise DatasetError(f"{file} is damaged ({error}). {repair}") from error
    for name, shape in shapes.items():
        found = arrays[name]
        if found.shape != shape or found.dtype != np.uint8:
            raise DatasetError(
                f"{file}: {name} is {found.shape} {found.dtype}; expected {shape} uint8. {repair}"
            )
    return arrays


def read_idx(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read bytes of a known shape from an IDX file, plain or compressed by gzip (`.gz`).

    Raises:
        DatasetError: The file cannot be read or holds something else.

    References:
        The MNIST database of handwritten digits. LeCun, Cortes and Burges, 1998.
    """
    # Two zero bytes, the type (8: unsigned byte), the number of axes, then each axis.
    expected = np.array([0x0800 + len(shape), *shape], ">u4").tobytes()
    size = len(expected) + int(np.prod(shape))
    try:
        with (gzip.open if file.suffix == ".gz" else open)(file, "rb") as stream:
            content = stream.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{file} cannot be read ({error}). Fetch it again.") from error
    if not content.startswith(expected) or len(content) != size:
        raise DatasetError(
            f"{file} is not what was expected: an IDX file of {shape} bytes. Fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=len(expected)).reshape(shape).copy()


def download(urls: Iterable[str], file: Path, md5: str, progress: Progress | None = None) -> None:
    """Fetch a file from the first address that gives it whole.

    Args:
        urls: Addresses of the same file.
        file: Where to put it; it appears only once it is complete and its checksum is right.
        md5: Expected checksum, in hexadecimal.
        progress: Told how far the download is.

    Raises:
        DatasetError: No address gave the file.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.{os.getpid()}.part")
    failures = []
    for url in urls:
        checksum = hashlib.md5(usedforsecurity=False)
        try:
            with urllib.request.urlopen(url, timeout=30) as reply, partial.open("wb") as stream:
                total, done = int(reply.headers.get("Content-Length") or 0), 0
                while chunk := reply.read(1 << 18):
                    stream.write(chunk)
                    checksum.update(chunk)
                    done += len(chunk)
                    if progress and total:
                        progress(min(done / total, 1.0), f"Downloading {file.name}")
            if checksum.hexdigest() == md5:
                partial.replace(file)
                return
            failures.append(f"{url} gave other bytes than expected")
        except (OSError, HTTPException) as error:
            failures.append(f"{url}: {error}")
        finally:
            partial.unlink(missing_ok=True)
    raise DatasetError(f"{file.name} could not be downloaded ({'; '.join(failures)}).")
