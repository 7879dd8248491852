"""The drawn data set: its splits, drawn by several processes and kept in the user's cache."""

import hashlib
import math
import os
import subprocess
import sys
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
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
        with path.open("rb") as file, np.load(file) as archive:
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
    """Draw the first people of a seed, several at a time.

    Args:
        count: How many people.
        seed: Seed of `sample_people`.
        progress: Called with the number of pictures drawn and to be drawn, from this thread. What
            it raises ends the drawing and reaches the caller.
        workers: How many processes; one for each core by default.

    Returns:
        The pictures, `(count, 3, 64, 64)`, `uint8`.
    """
    images = np.empty((count, 3, SIZE, SIZE), dtype=np.uint8)
    share = -(-count // (workers or os.cpu_count() or 1))
    spans = [range(k, min(k + share, count)) for k in range(0, count, share)]
    done = [0] * len(spans)
    cancelled = threading.Event()

    def fill(number: int) -> None:
        span = spans[number]
        for index, picture in zip(span, _pictures(seed, span), strict=False):
            images[index] = picture
            done[number] += 1
            if cancelled.is_set():
                break

    with ThreadPoolExecutor(len(spans)) as pool:
        tasks = {pool.submit(fill, number) for number in range(len(spans))}
        try:
            while tasks:
                finished, tasks = wait(tasks, timeout=0.2)
                for task in finished:
                    task.result()
                if progress:
                    progress(sum(done), count)
        finally:
            cancelled.set()
    return images


def _pictures(seed: int, span: range) -> Iterator[np.ndarray]:
    start = span.start
    with suppress(OSError):
        for picture in _worker(seed, span):
            yield picture
            start += 1
    # Where no worker could be started, or it ended early, the rest is drawn here: slower, but an
    # error then reaches the caller.
    for person in sample_people(span.stop - start, seed, start=start):
        yield _picture(person)


def _worker(seed: int, span: range) -> Iterator[np.ndarray]:
    # A fresh interpreter with one line to run: unlike multiprocessing it neither forks a server
    # full of threads nor imports the caller's main script again. Started beside this package, so
    # that it imports this package alone and not torch with the ones around it.
    code = f"from {_HERE.name}.load import _serve; _serve({seed}, {span.start}, {span.stop})"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", code], cwd=_HERE.parent, **pipes) as worker:
        try:
            shape = (3, SIZE, SIZE)
            size = math.prod(shape)
            while len(picture := worker.stdout.read(size)) == size:
                yield np.frombuffer(picture, dtype=np.uint8).reshape(shape)
        finally:
            worker.kill()


def _picture(person: Person) -> np.ndarray:
    return draw(person).transpose(2, 0, 1)


def _serve(seed: int, start: int, stop: int) -> None:
    for person in sample_people(stop - start, seed, start=start):
        sys.stdout.buffer.write(_picture(person).tobytes())
