"""Pictures as files hold them, and as the model sees them: decoding, fitting, scaling to bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, features

from ..datasets.base import DatasetError

__all__ = [
    "FITS",
    "MAX_PIXELS",
    "SUFFIXES",
    "Fit",
    "Picture",
    "decode_picture",
    "is_coloured",
    "picture_size",
    "read_picture",
    "value_range",
]

MAX_PIXELS = 50_000_000  # pixels of one image, as of a phone; bounds the memory for decoding
SUFFIXES = {
    **{"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "jpe": "JPEG", "jfif": "JPEG"},
    **{"webp": "WEBP", "bmp": "BMP", "gif": "GIF", "tif": "TIFF", "tiff": "TIFF"},
    **{"pgm": "PPM", "ppm": "PPM", "pbm": "PPM", "pnm": "PPM"},
    **({"avif": "AVIF"} if features.check("avif") else {}),
}
"""Endings of the names of pictures, and Pillow's name of each format."""
FITS = ("crop", "pad", "stretch")
"""Ways to bring a picture to the shape of the model's images."""

Picture = np.ndarray | Image.Image
"""A picture of 8 bits, grey or RGB; or an array `(H, W)` of more bits."""

_MEMORY = 300_000_000  # bytes that decoding and fitting one picture may take
# Bytes a pixel that this takes, as measured; decoders of some formats keep more than the picture.
_BYTES_OF_FORMAT = {"WEBP": 16, "AVIF": 16, "GIF": 10}
_BYTES_OF_MODE = {"1": 3, "L": 3, "RGB": 5, "I;16": 6, "P": 6, "I": 12, "F": 12}
_BYTES_OF_OTHERS = 10
_STRIP = 4_000_000  # pixels that are worked on at once
_FORMATS = list(dict.fromkeys(("JPEG", *SUFFIXES.values())))
_COLOURED = 12  # difference of channels, of 255, that JPEG's rounding does not make of grey


@dataclass(frozen=True)
class Fit:
    """The way from a picture to the model's image.

    Args:
        shape: shape of the result, `(C, H, W)`.
        how: `"crop"` (at the centre), `"pad"` (with the colour of the picture's border) or
            `"stretch"`.
        own: whether pictures keep their size, and are padded where the shape is larger.
        scale: values that become black and white in pictures of more than 8 bits; None if they
            are not known yet.
    """

    shape: tuple[int, int, int]
    how: str = "crop"
    own: bool = False
    scale: tuple[float, float] | None = None

    def __call__(self, picture: Picture) -> np.ndarray:
        """Brings a picture to the shape, `(C, H, W)` uint8.

        A picture of more than 8 bits becomes black where the scale is not known.

        Args:
            picture: as `decode_picture` returns it, or an array `(H, W, 3)` uint8.
        """
        channels, height, width = self.shape
        if isinstance(picture, np.ndarray) and picture.dtype != np.uint8:
            picture = self._scaled(picture)
        if isinstance(picture, np.ndarray):
            picture = Image.fromarray(picture)
        if picture.size != (width, height):
            picture = self._resized(picture)
        if channels == 1 and picture.mode != "L":
            picture = picture.convert("L")
        pixels = np.asarray(picture)
        if pixels.ndim == 2:
            return np.ascontiguousarray(np.broadcast_to(pixels, (channels, height, width)))
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))

    def _scaled(self, picture: np.ndarray) -> np.ndarray:
        if self.scale is None:
            return np.zeros(picture.shape, np.uint8)
        low, high = self.scale
        grey = np.empty(picture.shape, np.uint8)
        for strip in _strips(picture.shape):
            values = np.nan_to_num(
                picture[strip].astype(np.float32), nan=low, posinf=high, neginf=low
            )
            grey[strip] = ((values - low) * (255 / ((high - low) or 1))).round().clip(0, 255)
        return grey

    def _resized(self, image: Image.Image) -> Image.Image:
        size = (self.shape[2], self.shape[1])
        if self.own and image.width <= size[0] and image.height <= size[1]:
            return _padded(image, size)
        if self.how == "crop":
            return ImageOps.fit(image, size, Image.Resampling.BICUBIC)
        if self.how == "pad":
            return _padded(ImageOps.contain(image, size, Image.Resampling.BICUBIC), size)
        return image.resize(size, Image.Resampling.BICUBIC)


def decode_picture(
    file: BinaryIO, name: str, size: tuple[int, int] | None = None
) -> tuple[Picture, tuple[int, int]]:
    """Decodes a picture and turns it upright; transparent parts become white.

    Args:
        file: picture of one of the `SUFFIXES`, whose first frame is used.
        name: description of the picture in messages.
        size: width and height that will be needed; a larger JPEG is decoded at a fraction of its
            size, which is faster.

    Returns:
        The picture, grey or RGB, or an array `(H, W)` of another type than uint8 where the file
        has more than 8 bits; and the width and height of the whole picture.

    Raises:
        DatasetError: if the file is not a picture, damaged or too large.
    """
    image = _open(file, name)
    try:
        whole = image.size
        if size:
            image.draft(None, size)
        _check_memory(image, name)
        image.load()
        size = image.size
        ImageOps.exif_transpose(image, in_place=True)
        if image.size != size:
            whole = whole[::-1]
        if image.mode.startswith("I") or image.mode == "F":
            return np.asarray(image), whole
        if image.has_transparency_data:
            image = _on_white(image)
        if image.mode not in ("L", "RGB"):
            image = image.convert("L" if image.mode == "1" else "RGB")
        return image, whole
    except DatasetError:
        raise
    except Exception as error:  # Pillow raises errors of many types on damaged bytes
        raise DatasetError(f"{name} is damaged ({error}). Replace it or take it out.") from error


def read_picture(file: BinaryIO, name: str, fit: Fit) -> np.ndarray:
    """Reads a single picture as an import does.

    Args:
        file: picture of one of the `SUFFIXES`.
        name: description of the picture in messages.
        fit: way from a picture to an image. Without a scale, a picture of more than 8 bits has its
            own, from its lowest to its highest value.

    Returns:
        The image `(C, H, W)` uint8.

    Raises:
        DatasetError: if the file is not a picture, damaged or too large.
    """
    picture, _ = decode_picture(file, name, (fit.shape[2], fit.shape[1]))
    values = value_range(picture)
    return (fit if values is None or fit.scale else replace(fit, scale=values))(picture)


def value_range(picture: Picture) -> tuple[float, float] | None:
    """Lowest and highest finite value of a picture of more than 8 bits; None for all others."""
    if not isinstance(picture, np.ndarray) or picture.dtype == np.uint8:
        return None
    ends = []
    for strip in _strips(picture.shape):
        values = picture[strip]
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        if finite.size:
            ends += [float(finite.min()), float(finite.max())]
    return (min(ends), max(ends)) if ends else (0.0, 0.0)


def picture_size(file: BinaryIO, name: str) -> tuple[int, int]:
    """Width and height of a picture, upright, read from its header.

    Raises:
        DatasetError: if the file is not a picture or too large.
    """
    image = _open(file, name)
    try:
        turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except Exception:  # damaged metadata, which decoding may survive
        turned = False
    return image.size[::-1] if turned else image.size


def is_coloured(picture: np.ndarray) -> bool:
    """Whether an image `(3, H, W)` uint8 has colour."""
    least, most = picture.min(0), picture.max(0)
    return bool((most - least).max(initial=0) > _COLOURED)


def _open(file: BinaryIO, name: str) -> Image.Image:
    try:
        image = Image.open(file, formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DatasetError(f"{name} has more than {MAX_PIXELS:,} pixels. Scale it down.") from None
    except Exception as error:  # Pillow raises errors of many types on damaged bytes
        if not file.seek(0, os.SEEK_END):
            raise DatasetError(f"{name} is empty. Replace it or take it out.") from error
        raise DatasetError(
            f"{name} is not a picture that can be read. Replace it or take it out."
        ) from error
    if image.width * image.height > MAX_PIXELS:
        raise DatasetError(
            f"{name} has {image.width:,} × {image.height:,} pixels, more than {MAX_PIXELS:,}. "
            "Scale it down."
        )
    return image


def _check_memory(image: Image.Image, name: str) -> None:
    """Refuses a picture that would take too much memory to decode."""
    size = _BYTES_OF_FORMAT.get(
        image.format or "", _BYTES_OF_MODE.get(image.mode, _BYTES_OF_OTHERS)
    )
    most = _MEMORY // size
    if image.width * image.height > most:
        raise DatasetError(
            f"{name} has {image.width:,} × {image.height:,} pixels; of its kind ({image.format}, "
            f"{image.mode}) up to {most:,} are decoded. Scale it down, or save it as JPEG."
        )


def _strips(shape: tuple[int, ...]) -> Iterator[slice]:
    """Rows of an array `(H, W)`, so many at once that their pixels take little memory."""
    rows = max(1, _STRIP // max(shape[1], 1))
    return (slice(start, start + rows) for start in range(0, shape[0], rows))


def _on_white(image: Image.Image) -> Image.Image:
    """The picture on white, in RGB."""
    canvas = Image.new("RGB", image.size, "white")
    for strip in _strips((image.height, image.width)):
        box = (0, strip.start, image.width, min(strip.stop, image.height))
        part = image.crop(box).convert("RGBA")
        white = Image.new("RGBA", part.size, "white")
        canvas.paste(Image.alpha_composite(white, part).convert("RGB"), box)
    return canvas


def _padded(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image in the middle of a canvas of the colour of its border."""
    pixels = np.asarray(image)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = np.median(border, axis=0).round().astype(int)
    canvas = Image.new(image.mode, size, tuple(np.atleast_1d(colour).tolist()))
    canvas.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return canvas
