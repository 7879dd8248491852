"""Visitors' pictures: a folder or a zip archive of images, which are read on access.

Class folders define labels, a table `attributes.csv` (`file, attribute, …`) defines attributes.
Folders named `train`, `val` and `test` define the splits; without them a fixed tenth of the
images is held out.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from .archive import Source, open_source
from .base import Dataset, DatasetError, LazyImages, Progress, checksum
from .layout import Layout, read_layout

__all__ = ["folder_fingerprint", "folder_stamp", "load_folder", "read_image"]

MAX_PIXELS = 50_000_000  # pixels of one image, as of a phone; bounds the memory for decoding
MAX_ATTRIBUTES = 200
CHECKED_AT_ONCE = 5_000  # number of images up to which loading checks the header of each

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
    """Decodes a picture, turns it upright, crops it to the aspect ratio and scales it.

    Transparent parts become white.

    Args:
        file: PNG, JPEG, WebP, BMP or GIF file (of which the first frame is used), opened in
            binary mode.
        image_shape: shape of the result, `(C, H, W)`, with C 1 (grey) or 3 (RGB).
        name: description of the picture in messages.

    Returns:
        The image `(C, H, W)`, uint8.

    Raises:
        DatasetError: if the file is not a picture, damaged or too large.
    """
    channels, height, width = image_shape
    image = _open(file, name)
    try:
        image.draft(None, (2 * width, 2 * height))  # a large JPEG decodes faster at half its size
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits a pixel, which convert() would clip
            image = Image.fromarray((np.asarray(image) // 256).clip(0, 255).astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("L" if channels == 1 else "RGB")
        image = ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    except Exception as error:  # Pillow raises errors of many types on damaged bytes
        raise DatasetError(f"{name} is damaged ({error}). Replace it or take it out.") from error
    pixels = np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1)
    return torch.from_numpy(pixels.copy())


def load_folder(
    path: str | Path,
    split: str,
    progress: Progress | None = None,
    image_shape: tuple[int, int, int] = (3, 64, 64),
) -> Dataset:
    """Opens a folder or a zip of images; the images stay on disk.

    Args:
        path: path of a folder or a `.zip` file.
        split: `"train"`, `"validation"` or `"test"`. If the author made only one of the last two,
            it is the test split; if none, the test split is a tenth of the pictures.
        progress: called with the fraction done, 0…1, and a message, while images are checked.
        image_shape: shape `(C, H, W)` to which each image is cropped at the centre and scaled.

    Raises:
        DatasetError: if there are no usable images, the archive has unsafe names or sizes, an
            image is damaged, or a table does not match; the message names the file or the row.
    """
    path = Path(path)
    source = open_source(path)
    names = _image_names(source)
    layout = read_layout(names, str(path))
    kept = _choose(layout, split, path)
    place = {name: i for i, name in enumerate(names)}
    rows = [place[name] for name in kept]
    table = _attributes(source, names, set(layout.names))
    folders = dict(zip(layout.names, layout.folders, strict=True))
    classes, labels = layout.classes, None
    if classes and all(folders[name] for name in kept):
        labels = torch.tensor([classes.index(folders[name]) for name in kept])
    if len(kept) <= CHECKED_AT_ONCE:
        for i, name in enumerate(kept):
            with source.open(name) as file:
                _open(file, source.label(name))
            if progress and i % 100 == 0:
                progress(i / len(kept), f"Checking the images of {path.name}")
    notices = layout.notices
    if aside := layout.splits.count("validation") if "test" in layout.splits else 0:
        notices += (f"{aside:,} pictures for validation are kept aside: the test split is shown.",)
    reader = _Reader(source, kept, image_shape)
    return Dataset(
        name=str(path),
        split=split,
        images=LazyImages(reader, (len(kept), *image_shape), reader.checksum),
        labels=labels,
        classes=None if labels is None else classes,
        attributes={name: values[rows] for name, values in table.items()},
        licence="Your own pictures",
        notices=notices,
        fingerprint=_digest(names, source.sizes(names)),
    )


def folder_fingerprint(path: str | Path) -> str:
    """The `fingerprint` of a folder or archive, without loading it.

    Raises:
        DatasetError: if there are no images, or the archive has unsafe names or sizes.
    """
    source = open_source(Path(path))
    names = _image_names(source)
    return _digest(names, source.sizes(names))


def folder_stamp(path: str | Path) -> str:
    """A text that changes whenever pictures or their table do, computed without reading them.

    Raises:
        DatasetError: if there are no images, or the archive has unsafe names or sizes.
    """
    source = open_source(Path(path))
    names = _image_names(source)
    names += sorted(n for n in source.names() if n.rpartition("/")[2] == "attributes.csv")
    return _digest(names, source.stamp(names))


def _digest(names: Sequence[str], numbers: Sequence[int]) -> str:
    text = "\n".join([*names, *map(str, numbers)])
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def _choose(layout: Layout, split: str, path: Path) -> list[str]:
    """Names of the pictures of a split; a tenth is held out if the author made no split."""
    parts: dict[str, list[str]] = {}
    for name, of in zip(layout.names, layout.splits, strict=True):
        parts.setdefault(of or "train", []).append(name)
    if parts.keys() == {"train"}:
        # By checksum of the name, so that a new image moves few others between the splits.
        names = parts["train"]
        order = sorted(
            names, key=lambda name: (zlib.crc32(name.encode("utf-8", "surrogateescape")), name)
        )
        parts["test"] = sorted(order[: max(1, len(names) // 10)])
        parts["train"] = sorted(order[max(1, len(names) // 10) :])
    else:
        parts.setdefault("test", parts.get("validation", []))
    if parts.get(split):
        return parts[split]
    if len(layout.names) == 1:
        raise DatasetError(f"{path} has 1 image; two are needed, one to hold out.")
    there = " and ".join(sorted(name for name in parts if parts[name]))
    remedy = f"Choose {there}, or add a folder {split}."
    if split == "train":
        remedy = (
            "Those are not trained on: add a folder train, or rename the one that is no split."
        )
    raise DatasetError(f"{path} has no pictures for {split}, but for {there}. {remedy}")


class _Reader:
    def __init__(
        self, source: Source, names: Sequence[str], image_shape: tuple[int, int, int]
    ) -> None:
        self._source, self._names, self._shape = source, names, image_shape

    def __call__(self, index: int) -> Tensor:
        name = self._names[index]
        with self._source.open(name) as file:
            return read_image(file, self._shape, self._source.label(name))

    def checksum(self, index: int) -> int:
        with self._source.open(self._names[index]) as file:
            return checksum(file.read())


def _open(file: BinaryIO, name: str) -> Image.Image:
    try:
        image = Image.open(file, formats=sorted(set(_FORMATS.values())))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DatasetError(f"{name} has more than {MAX_PIXELS:,} pixels. Scale it down.") from None
    except Exception as error:  # Pillow raises errors of many types on damaged bytes
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


def _image_names(source: Source) -> list[str]:
    names = []
    for name in sorted(set(source.names())):
        hidden = "/." in f"/{name}" or "/__MACOSX" in f"/{name}"
        stem, _, suffix = name.rpartition("/")[2].rpartition(".")
        if stem and not hidden and suffix.lower() in _FORMATS:
            names.append(name)
    if not names:
        raise DatasetError(
            f"{source.path} holds no images. Put PNG, JPEG, WebP, BMP or GIF files into it."
        )
    return names


def _attributes(source: Source, names: list[str], used: set[str]) -> dict[str, Tensor]:
    root = PurePosixPath(os.path.commonpath([str(PurePosixPath(n).parent) for n in names]))
    places = {"attributes.csv", str(root / "attributes.csv")}
    tables = [name for name in source.names() if str(PurePosixPath(name)) in places]
    if not tables:
        return {}
    label, folder = source.label(tables[0]), PurePosixPath(tables[0]).parent
    index = {_relative(name, folder): i for i, name in enumerate(names)}
    try:
        with source.open(tables[0]) as file:
            rows = csv.reader(io.StringIO(file.read().decode("utf-8-sig"), ""))
        return _parse(rows, label, index, {_relative(name, folder) for name in used})
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{label} is not a table in UTF-8 ({error}). Save it again.") from error


def _relative(name: str, folder: PurePosixPath) -> str:
    path = PurePosixPath(name)
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _parse(
    rows: Iterator[list[str]], label: str, index: dict[str, int], used: set[str]
) -> dict[str, Tensor]:
    header = [cell.strip() for cell in next(rows, [])]
    if len(header) < 2 or header[0] != "file" or len(set(header)) < len(header) or "" in header:
        raise DatasetError(
            f"{label}, row 1: {', '.join(header)[:200] or 'empty'}; expected file, then a "
            "different name for each attribute."
        )
    if len(header) > MAX_ATTRIBUTES + 1:
        raise DatasetError(f"{label}: {len(header) - 1} attributes; at most {MAX_ATTRIBUTES} fit.")
    values = np.zeros((len(index), len(header) - 1), bool)
    missing = set(index)
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
        if name not in missing:
            raise DatasetError(f"{where}: {cells[0]!r} has a row already. Remove one.")
        missing.remove(name)
        for j, cell in enumerate(cells[1:]):
            if cell.lower() not in _TRUTH:
                raise DatasetError(f"{where}: {header[j + 1]} is {cell!r}; expected 0 or 1.")
            values[index[name], j] = _TRUTH[cell.lower()]
    missing &= used
    if missing:
        raise DatasetError(
            f"{label} has no row for {len(missing)} of the images, the first being "
            f"{min(missing)}. Add the rows or take the images out."
        )
    columns = torch.from_numpy(values)
    return {name: columns[:, j].clone() for j, name in enumerate(header[1:])}
