"""The drawn data set: its splits, drawn by several processes and kept in the user's cache."""

import functools
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

import numpy as np

from .canvas import SIZE
from .draw import draw
from .person import ATTRIBUTES, Person, attributes, sample_people, sample_person

__all__ = ["SPLITS", "VERSION", "cache_folder", "load_faces", "person"]

SPLITS = {"train": (20_000, 1), "test": (3_000, 2)}
"""People and seed of each split."""

_HERE = Path(__file__).parent

VERSION = hashlib.sha256(
    b"".join((_HERE / name).read_bytes() for name in ("person.py", "canvas.py", "draw.py"))
).hexdigest()[:12]
"""Version of the generator: a digest of the code that samples and draws people."""

Progress = Callable[[int, int], None]


def person(split: str, index: int) -> Person:
    """Give the person in one picture of a split.

    Args:
        split: `train` or `test`.
        index: The picture's index, from 0.

    Returns:
        The person; `draw` gives the picture again.

    Raises:
        ValueError: If there is no such split or index.
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
    """Load a split, drawing it first where the cache has none.

    Args:
        split: `train` or `test`.
        progress: Called with the number of pictures drawn and to be drawn, from the calling
            thread. It is not called where the cache has the pictures.

    Returns:
        The pictures, `(N, 3, 64, 64)`, `uint8`, and for each attribute the truth values, `(N,)`.

    Raises:
        ValueError: If there is no such split.
    """
    count, seed = _split(split)
    people = sample_people(count, seed)
    truth = np.array([list(attributes(p).values()) for p in people])
    path = cache_folder() / f"faces-{split}-{VERSION}.npz"
    images = _read(path, count)
    if images is None:
        images = draw_people(count, seed, progress)
        _write(path, images)
    return images, {name: truth[:, k].copy() for k, name in enumerate(ATTRIBUTES)}


def cache_folder() -> Path:
    """Give the folder for drawn pictures, inside the user's cache folder.

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
    # The archive carries a checksum, so damage anywhere in the file is noticed here.
    with suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        with np.load(path) as archive:
            images = archive["images"]
        if images.shape == (count, 3, SIZE, SIZE) and images.dtype == np.uint8:
            return images
    return None


def _write(path: Path, images: np.ndarray) -> None:
    # A cache that cannot be written costs time at the next start, nothing else.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, images=images)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)


# Drawing in parallel ------------------------------------------------------------------------


def draw_people(
    count: int, seed: int, progress: Progress | None = None, workers: int | None = None
) -> np.ndarray:
    """Draw the first people of a seed, several at a time.

    Args:
        count: How many people.
        seed: Seed of `sample_people`.
        progress: Called with the number of pictures drawn and to be drawn.
        workers: How many processes; one for each core by default.

    Returns:
        The pictures, `(count, 3, 64, 64)`, `uint8`.
    """
    images = np.empty((count, 3, SIZE, SIZE), dtype=np.uint8)
    workers = workers or len(os.sched_getaffinity(0))
    share = -(-count // workers)
    spans = [(k, min(k + share, count)) for k in range(0, count, share)]
    done = [0] * len(spans)
    with ThreadPoolExecutor(len(spans)) as pool:
        tasks = {
            pool.submit(_fill, images, seed, span, functools.partial(done.__setitem__, k))
            for k, span in enumerate(spans)
        }
        while tasks:
            finished, tasks = wait(tasks, timeout=0.2)
            for task in finished:
                task.result()
            if progress:
                progress(sum(done), count)
    return images


def _fill(
    images: np.ndarray, seed: int, span: tuple[int, int], report: Callable[[int], None]
) -> None:
    start, stop = span
    # A fresh interpreter with one line to run: unlike multiprocessing it neither forks a server
    # full of threads nor imports the caller's main script again. Started beside this package, so
    # that it imports this package alone and not torch with the ones around it.
    code = f"from {_HERE.name}.load import _serve; _serve({seed}, {start}, {stop})"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=_HERE.parent, stdout=subprocess.PIPE) as worker:
        for index in range(start, stop):
            picture = worker.stdout.read(images[index].nbytes)
            if len(picture) < images[index].nbytes:
                break
            images[index] = np.frombuffer(picture, dtype=np.uint8).reshape(images[index].shape)
            report(index + 1 - start)
        else:
            return
    # The worker ended early: finish its share here, where an error reaches the caller.
    for here, late in enumerate(sample_people(stop - index, seed, start=index), index):
        images[here] = _picture(late)
        report(here + 1 - start)


def _picture(one: Person) -> np.ndarray:
    return draw(one).transpose(2, 0, 1)


def _serve(seed: int, start: int, stop: int) -> None:
    for one in sample_people(stop - start, seed, start=start):
        sys.stdout.buffer.write(_picture(one).tobytes())
