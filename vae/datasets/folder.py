"""Pictures of one's own: a folder or a zip of images, read one by one when they are asked for.

Class folders give labels, a table `attributes.csv` (`file, attribute, …`) gives attributes.
Folders named `train` and `test` give the splits, else a fixed tenth of the images is held out.
Nothing is ever unpacked: an archive is read where it lies, so its names cannot reach outside.
"""

from __future__ import annotations

import csv
import io
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from .base import Dataset, DatasetError, LazyImages, Progress

__all__ = ["load_folder", "read_image"]

MAX_FILE_BYTES = 64 << 20  # of one image, unpacked
MAX_PIXELS = 50_000_000  # of one image: a phone's largest; more would take much memory to decode
MAX_FILES = 1_000_000
MAX_ATTRIBUTES = 200
MAX_RATIO = 200  # unpacked by packed bytes of an archive; images hardly shrink, bombs do by 1,000
CHECKED_AT_ONCE = 5_000  # sets up to this size have every image's header read when they are loaded

_FORMATS = {
    "png": "PNG",
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "webp": "WEBP",
    "bmp": "BMP",
    "gif": "GIF",
}
_TRUTH = {
    "1": True,
    "true": True,
    "yes": True,
    "0": False,
    "-1": False,
    "false": False,
    "no": False,
}


def read_image(
    file: BinaryIO, image_shape: tuple[int, int, int] = (3, 64, 64), name: str = "The file"
) -> Tensor:
    """Decode a picture, turn it upright, crop it to the shape's proportions and scale it.

    Transparent parts become white.

    Args:
        file: PNG, JPEG, WebP, BMP or GIF (its first frame), open for reading bytes.
        image_shape: `(C, H, W)` wanted; C is 1 (grey) or 3 (RGB).
        name: What to call it in an error.

    Returns:
        `(C, H, W)` uint8.

    Raises:
        DatasetError: It is no picture, damaged or too large.
    """
    channels, height, width = image_shape
    image = _open(file, name)
    try:
        image.draft(None, (2 * width, 2 * height))  # a large JPEG decodes faster at half its size
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits a pixel, which convert() would cut off
            image = Image.fromarray((np.asarray(image) // 256).clip(0, 255).astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("L" if channels == 1 else "RGB")
        image = ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    except Exception as error:  # Pillow lets many kinds through on damaged bytes
        raise DatasetError(f"{name} is damaged ({error}). Replace it or take it out.") from error
    pixels = np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1)
    return torch.from_numpy(pixels.copy())


def load_folder(
    path: str | Path,
    split: str,
    progress: Progress | None = None,
    image_shape: tuple[int, int, int] = (3, 64, 64),
) -> Dataset:
    """Open a folder or a zip of images; the images stay on disk.

    Args:
        path: A folder, or a `.zip`.
        split: `"train"` or `"test"`.
        progress: Told how far the check of the images is.
        image_shape: `(C, H, W)`: each image is cropped in its middle and scaled to it.

    Raises:
        DatasetError: No usable images, an archive with unsafe names or sizes, a broken image, or a
            table that does not fit; names the file or the row.
    """
    path = Path(path)
    source = _Zip(path) if path.is_file() else _Folder(path)
    names = _image_names(source)
    root = PurePosixPath(os.path.commonpath([str(PurePosixPath(n).parent) for n in names]))
    table = _attributes(source, root, names)

    inner = [PurePosixPath(name).relative_to(root).parts for name in names]
    if {parts[0] for parts in inner if len(parts) > 1} == {"train", "test"} and all(
        len(parts) > 1 for parts in inner
    ):
        chosen = np.array([parts[0] == split for parts in inner])
        inner = [parts[1:] for parts in inner]
    else:
        # By checksum of the name, so that a new image moves few others to the other side.
        order = sorted(range(len(names)), key=lambda i: (zlib.crc32(names[i].encode()), names[i]))
        chosen = np.full(len(names), split == "train")
        chosen[order[: max(1, len(names) // 10)]] = split == "test"

    classes, labels = None, None
    folders = sorted({parts[0] for parts in inner if len(parts) > 1})
    if len(folders) > 1 and all(len(parts) > 1 for parts in inner):
        classes = tuple(folders)
        labels = torch.tensor([folders.index(parts[0]) for parts in inner])

    rows = torch.from_numpy(np.flatnonzero(chosen))
    kept = [names[i] for i in rows.tolist()]
    if not kept:
        raise DatasetError(f"{path} has {len(names)} image; two are needed, one to hold out.")
    if len(kept) <= CHECKED_AT_ONCE:
        for i, name in enumerate(kept):
            with source.open(name) as file:
                _open(file, source.label(name))
            if progress and i % 100 == 0:
                progress(i / len(kept), f"Checking the images of {path.name}")
    return Dataset(
        name=str(path),
        split=split,
        images=LazyImages(_Reader(source, kept, image_shape), (len(kept), *image_shape)),
        labels=None if labels is None else labels[rows],
        classes=classes,
        attributes={name: values[rows] for name, values in table.items()},
        licence="Your own pictures",
    )


class _Source(Protocol):
    path: Path

    def names(self) -> list[str]: ...
    def open(self, name: str) -> BinaryIO: ...
    def label(self, name: str) -> str: ...


class _Folder:
    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise DatasetError(f"There is no folder or archive {path}. Check the path.")
        self.path = path

    def names(self) -> list[str]:
        files = []
        for folder, _, members in os.walk(self.path):
            files += [(Path(folder) / m).relative_to(self.path).as_posix() for m in members]
            if len(files) > MAX_FILES:
                raise DatasetError(f"{self.path} holds more than {MAX_FILES:,} files.")
        return files

    def open(self, name: str) -> BinaryIO:
        file = self.path / name
        try:
            size = file.stat().st_size
            if size <= MAX_FILE_BYTES:
                return file.open("rb")
        except OSError as error:
            raise DatasetError(f"{file} cannot be read ({error.strerror}).") from error
        raise DatasetError(
            f"{file} has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read. Make it smaller."
        )

    def label(self, name: str) -> str:
        return str(self.path / name)


class _Zip:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._connect()
        members = [m for m in self._archive.infolist() if not m.is_dir()]
        if len(members) > MAX_FILES:
            raise DatasetError(f"{path} holds {len(members):,} files; at most {MAX_FILES:,} fit.")
        for member in members:
            parts = PurePosixPath(member.filename.replace("\\", "/")).parts
            if not parts or ".." in parts or parts[0] == "/" or parts[0].endswith(":"):
                raise DatasetError(
                    f"{path} names a file outside itself: {member.filename!r}. It may have been "
                    "made to do harm: don't use it."
                )
            if member.flag_bits & 1:
                raise DatasetError(f"{path} is encrypted. Pack it again without a password.")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DatasetError(
                    f"{member.filename} in {path} is packed in an uncommon way. Pack the archive "
                    "again with the usual method, deflate."
                )
            if member.file_size > MAX_FILE_BYTES:
                raise DatasetError(
                    f"{member.filename} in {path} unpacks to {member.file_size:,} bytes; at most "
                    f"{MAX_FILE_BYTES:,} are read. Make it smaller."
                )
        unpacked, packed = sum(m.file_size for m in members), path.stat().st_size
        if unpacked > MAX_RATIO * max(packed, 100_000):
            raise DatasetError(
                f"{path} would unpack from {packed:,} to {unpacked:,} bytes, far more than images "
                "do. It may have been made to do harm: don't use it."
            )
        self._names = [m.filename for m in members]

    def _connect(self) -> None:
        try:
            self._archive = zipfile.ZipFile(self.path)
        except Exception as error:  # zipfile lets many kinds through on damaged bytes
            raise DatasetError(
                f"{self.path} is not a zip archive that can be read ({error}). Pack it again."
            ) from error
        self._process = os.getpid()

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_archive": None, "_process": None}

    def names(self) -> list[str]:
        return self._names

    def open(self, name: str) -> BinaryIO:
        if self._process != os.getpid():  # a forked reader would share this one's file position
            self._connect()
        try:
            with self._archive.open(name) as stream:
                # Bounded, because the size that the archive declares may be a lie.
                return io.BytesIO(stream.read(MAX_FILE_BYTES + 1))
        except Exception as error:  # zipfile lets many kinds through on damaged bytes
            raise DatasetError(
                f"{self.label(name)} is damaged ({error}). Pack the archive again."
            ) from error

    def label(self, name: str) -> str:
        return f"{name} in {self.path}"


class _Reader:
    def __init__(
        self, source: _Source, names: Sequence[str], image_shape: tuple[int, int, int]
    ) -> None:
        self._source, self._names, self._shape = source, names, image_shape

    def __call__(self, index: int) -> Tensor:
        name = self._names[index]
        with self._source.open(name) as file:
            return read_image(file, self._shape, self._source.label(name))


def _open(file: BinaryIO, name: str) -> Image.Image:
    try:
        image = Image.open(file, formats=sorted(set(_FORMATS.values())))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DatasetError(f"{name} has more than {MAX_PIXELS:,} pixels. Scale it down.") from None
    except Exception as error:  # Pillow lets many kinds through on damaged bytes
        raise DatasetError(
            f"{name} is not a picture that can be read. Replace it by a PNG, JPEG, WebP, BMP or "
            "GIF, or take it out."
        ) from error
    if image.width * image.height > MAX_PIXELS:
        raise DatasetError(
            f"{name} has {image.width:,} × {image.height:,} pixels, more than {MAX_PIXELS:,}. "
            "Scale it down."
        )
    return image


def _image_names(source: _Source) -> list[str]:
    names = []
    for name in sorted(set(source.names())):
        path = PurePosixPath(name)
        hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
        if not hidden and path.suffix[1:].lower() in _FORMATS:
            names.append(name)
    if not names:
        raise DatasetError(
            f"{source.path} holds no images. Put PNG, JPEG, WebP, BMP or GIF files into it."
        )
    return names


def _attributes(source: _Source, root: PurePosixPath, names: list[str]) -> dict[str, Tensor]:
    places = {"attributes.csv", str(root / "attributes.csv")}
    tables = [name for name in source.names() if str(PurePosixPath(name)) in places]
    if not tables:
        return {}
    label, folder = source.label(tables[0]), PurePosixPath(tables[0]).parent
    try:
        with source.open(tables[0]) as file:
            rows = csv.reader(io.StringIO(file.read().decode("utf-8-sig"), ""))
        return _parse(rows, label, {_relative(name, folder): i for i, name in enumerate(names)})
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{label} is not a table in UTF-8 ({error}). Save it again.") from error


def _relative(name: str, folder: PurePosixPath) -> str:
    path = PurePosixPath(name)
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _parse(rows: Iterator[list[str]], label: str, index: dict[str, int]) -> dict[str, Tensor]:
    header = [cell.strip() for cell in next(rows, [])]
    if len(header) < 2 or header[0] != "file" or len(set(header)) < len(header) or "" in header:
        raise DatasetError(
            f"{label}, row 1: {', '.join(header)[:200] or 'empty'}; expected file, then a "
            "different name for each attribute."
        )
    if len(header) > MAX_ATTRIBUTES + 1:
        raise DatasetError(f"{label}: {len(header) - 1} attributes; at most {MAX_ATTRIBUTES} fit.")
    values = np.zeros((len(index), len(header) - 1), bool)
    missing = dict(index)
    for number, row in enumerate(rows, start=2):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        where = f"{label}, row {number}"
        if len(cells) != len(header):
            raise DatasetError(f"{where}: {len(cells)} values; expected {len(header)}.")
        name = str(PurePosixPath(cells[0]))
        if name not in index:
            raise DatasetError(f"{where}: there is no image {cells[0]!r}. Correct or remove it.")
        i = missing.pop(name, None)
        if i is None:
            raise DatasetError(f"{where}: {cells[0]!r} has a row already. Remove one.")
        for j, cell in enumerate(cells[1:]):
            if cell.lower() not in _TRUTH:
                raise DatasetError(f"{where}: {header[j + 1]} is {cell!r}; expected 0 or 1.")
            values[i, j] = _TRUTH[cell.lower()]
    if missing:
        raise DatasetError(
            f"{label} has no row for {len(missing)} of the images, the first being "
            f"{next(iter(missing))}. Add the rows or take the images out."
        )
    columns = torch.from_numpy(values)
    return {name: columns[:, j].clone() for j, name in enumerate(header[1:])}
