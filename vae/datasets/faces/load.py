"""The dataset of drawn faces: its splits, shipped or drawn, and cached for the user."""

import hashlib
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Generator
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from PIL import Image

from ...mapped import map_array, read_npy_header
from .canvas import SIZE
from .draw import draw
from .person import ATTRIBUTES, Person, attributes, sample_people, sample_person

__all__ = [
    "SPLITS",
    "VERSION",
    "cache_folder",
    "load_faces",
    "person",
    "shipped_file",
    "write_shipped",
]

SPLITS = {"train": (20_000, 1), "test": (3_000, 2)}
"""Number of people and seed of each split."""

_HERE = Path(__file__).parent
_SPAN = 100  # pictures in a task of a worker
_COLUMNS = 50  # of the sheet that is shipped

VERSION = hashlib.sha256(
    b"".join((_HERE / name).read_bytes() for name in ("person.py", "canvas.py", "draw.py"))
).hexdigest()[:12]
"""Version of the generator: a digest of the code that samples and draws people."""

Progress = Callable[[int, int], None]


def person(split: str, index: int) -> Person:
    """Returns the person in one picture of a split.

    Args:
        split: `train` or `test`.
        index: the picture's index, from 0.

    Returns:
        The person, whom `draw` draws as in the dataset.

    Raises:
        ValueError: if there is no such split or index.
    """
    count, seed = _split(split)
    if not 0 <= index < count:
        raise ValueError(
            f"The faces' {split} split has no picture {index}: choose from 0 to {count - 1}."
        )
    return sample_person(index, seed)


def load_faces(
    split: str, progress: Progress | None = None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Loads a split from the cache, or unpacks or draws it and writes it to the cache.

    The test split is shipped, for drawing it takes ten seconds of a processor.

    Args:
        split: `train` or `test`.
        progress: called with the number of pictures drawn and to be drawn, from the calling
            thread; not called if the pictures are cached or shipped.

    Returns:
        The pictures, `(N, 3, 64, 64)`, `uint8`, which stay on the disk, and for each attribute
        its values, bool `(N,)`.

    Raises:
        ValueError: if there is no such split.
    """
    count, seed = _split(split)
    people = sample_people(count, seed)
    truth = np.array([list(attributes(p).values()) for p in people])
    path = cache_folder() / f"faces-{split}-{VERSION}.npz"
    images = _read(path, count)
    if images is None:
        drawn = _shipped(split, count)
        drawn = draw_people(count, seed, progress) if drawn is None else drawn
        _write(path, drawn)
        images = _read(path, count)
        images = drawn if images is None else images
    return images, {name: truth[:, k].copy() for k, name in enumerate(ATTRIBUTES)}


def cache_folder() -> Path:
    """The folder of drawn pictures in the user's cache folder.

    Returns:
        `latent-space-explorer` under `$XDG_CACHE_HOME`, or under `~/.cache`.
    """
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "latent-space-explorer"


def _split(name: str) -> tuple[int, int]:
    if name not in SPLITS:
        raise ValueError(f"The faces have no split {name}: choose from {', '.join(SPLITS)}.")
    return SPLITS[name]


def _read(path: Path, count: int) -> np.ndarray | None:
    # The archive contains checksums, so any damage shows here. The pictures stay on the disk, and
    # the system has in memory what is being looked at.
    damage = (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
    with suppress(*damage):
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo("images.npy")
            if archive.testzip() is not None or member.compress_type != zipfile.ZIP_STORED:
                return None
        with path.open("rb") as file:
            file.seek(member.header_offset + 26)
            file.seek(sum(struct.unpack("<HH", file.read(4))), os.SEEK_CUR)  # a name, and more
            shape, _, dtype = read_npy_header(file)
            if shape == (count, 3, SIZE, SIZE) and dtype == np.uint8:
                return map_array(path, dtype, file.tell(), shape)
    return None


def shipped_file(split: str) -> Path:
    """The sheet of a split's pictures, as `write_shipped` writes it; drawing does without it."""
    return _HERE.parent / "data" / f"faces-{split}-{VERSION}.webp"


def write_shipped(split: str) -> Path:
    """Draws a split into the file that is shipped with the library, without loss.

    Args:
        split: `test`; more than 63,000 pictures do not fit a sheet.

    Returns:
        The file.
    """
    count, seed = _split(split)
    images = draw_people(count, seed).transpose(0, 2, 3, 1)
    sheet = np.zeros((-(-count // _COLUMNS), _COLUMNS, SIZE, SIZE, 3), np.uint8)
    sheet.reshape(-1, SIZE, SIZE, 3)[:count] = images
    whole = sheet.swapaxes(1, 2).reshape(-1, _COLUMNS * SIZE, 3)
    file = shipped_file(split)
    for old in file.parent.glob(f"faces-{split}-*.webp"):
        old.unlink()
    Image.fromarray(whole).save(file, lossless=True, quality=100, method=4)
    return file


def _shipped(split: str, count: int) -> np.ndarray | None:
    file = shipped_file(split)
    if not file.exists():
        return None
    with Image.open(file) as sheet:
        rows = np.asarray(sheet).reshape(-1, SIZE, _COLUMNS, SIZE, 3)
    pictures = rows.swapaxes(1, 2).reshape(-1, SIZE, SIZE, 3)
    if len(pictures) - _COLUMNS < count <= len(pictures):
        return np.ascontiguousarray(pictures[:count].transpose(0, 3, 1, 2))
    return None


def _write(path: Path, images: np.ndarray) -> None:
    # Without a cache the pictures are drawn again at the next start.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, images=images)
            Path(name).replace(path)
            version = "[0-9a-f]" * len(VERSION)
            for old in path.parent.glob(path.name.replace(VERSION, version)):
                if old != path:
                    old.unlink(missing_ok=True)
        finally:
            Path(name).unlink(missing_ok=True)


# Drawing in parallel ------------------------------------------------------------------------


def draw_people(
    count: int, seed: int, progress: Progress | None = None, workers: int | None = None
) -> np.ndarray:
    """Draws the first people of a seed in parallel.

    Args:
        count: number of people.
        seed: seed of `sample_people`.
        progress: called with the number of pictures drawn and to be drawn, from this thread. An
            exception in it ends the drawing and is passed on to the caller.
        workers: number of processes; by default one for each core.

    Returns:
        The pictures, `(count, 3, 64, 64)`, `uint8`.
    """
    images = np.empty((count, 3, SIZE, SIZE), dtype=np.uint8)
    spans = [range(k, min(k + _SPAN, count)) for k in range(0, count, _SPAN)]
    with closing(_drawn(seed, spans, workers or os.cpu_count() or 1)) as parts:
        for span, pictures in zip(spans, parts, strict=True):
            images[span.start : span.stop] = pictures
            if progress:
                progress(span.stop, count)
    return images


def _drawn(seed: int, spans: list[range], workers: int) -> Generator[np.ndarray, None, None]:
    parallel = Parallel(
        min(workers, len(spans)), return_as="generator", backend="loky", idle_worker_timeout=10
    )
    done = 0
    # If no worker can be started, or one is killed, this process draws the rest, more slowly.
    with suppress(OSError, BrokenProcessPool):
        for pictures in parallel(delayed(_draw_span)(seed, span) for span in spans):
            yield pictures
            done += 1
    for span in spans[done:]:
        yield _draw_span(seed, span)


def _draw_span(seed: int, span: range) -> np.ndarray:
    people = sample_people(len(span), seed, start=span.start)
    return np.stack([draw(person).transpose(2, 0, 1) for person in people])
