"""Pictures as files hold them, and as the model sees them: decoding, fitting, scaling to bytes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, features

from ..datasets.base import DatasetError

__all__ = [
    "FITS",
    "MAX_PIXELS",
    "SUFFIXES",
    "Fit",
    "decode_picture",
    "is_coloured",
    "picture_size",
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

_FORMATS = sorted(set(SUFFIXES.values()))
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

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Brings a picture `(H, W)` or `(H, W, 3)`, uint8 or with more bits, to `(C, H, W)` uint8.

        A picture of more than 8 bits becomes black where the scale is not known.
        """
        channels, height, width = self.shape
        if picture.dtype != np.uint8:
            picture = self._scaled(picture)
        if picture.shape[:2] != (height, width):
            picture = np.asarray(self._resized(Image.fromarray(picture)))
        if channels == 1 and picture.ndim == 3:
            picture = np.asarray(Image.fromarray(picture).convert("L"))
        if picture.ndim == 2:
            picture = np.broadcast_to(picture, (channels, height, width))
            return np.ascontiguousarray(picture)
        return np.ascontiguousarray(picture.transpose(2, 0, 1))

    def _scaled(self, picture: np.ndarray) -> np.ndarray:
        if self.scale is None:
            return np.zeros(picture.shape, np.uint8)
        low, high = self.scale
        values = np.nan_to_num(picture.astype(np.float32), nan=low, posinf=high, neginf=low)
        return ((values - low) * (255 / ((high - low) or 1))).round().clip(0, 255).astype(np.uint8)

    def _resized(self, image: Image.Image) -> Image.Image:
        size = (self.shape[2], self.shape[1])
        if self.own and image.width <= size[0] and image.height <= size[1]:
            return _padded(image, size)
        if self.how == "crop":
            return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
        if self.how == "pad":
            return _padded(ImageOps.contain(image, size, Image.Resampling.LANCZOS), size)
        return image.resize(size, Image.Resampling.LANCZOS)


def decode_picture(
    file: BinaryIO, name: str, size: tuple[int, int] | None = None
) -> tuple[np.ndarray, tuple[int, int]]:
    """Decodes a picture and turns it upright; transparent parts become white.

    Args:
        file: picture of one of the `SUFFIXES`, whose first frame is used.
        name: description of the picture in messages.
        size: width and height that will be needed; a larger JPEG is decoded at a fraction of its
            size, which is faster.

    Returns:
        The pixels, `(H, W)` or `(H, W, 3)` uint8, or `(H, W)` of another type where the file has
        more than 8 bits; and the width and height of the whole picture.

    Raises:
        DatasetError: if the file is not a picture, damaged or too large.
    """
    image = _open(file, name)
    try:
        whole = image.size
        if size:
            image.draft(None, size)
        image.load()
        turned = ImageOps.exif_transpose(image)
        if (turned.width > turned.height) != (image.width > image.height):
            whole = whole[::-1]
        image = turned
        if image.mode.startswith("I") or image.mode == "F":
            return np.asarray(image), whole
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        if image.mode not in ("L", "RGB"):
            image = image.convert("L" if image.mode == "1" else "RGB")
        return np.asarray(image), whole
    except Exception as error:  # Pillow raises errors of many types on damaged bytes
        raise DatasetError(f"{name} is damaged ({error}). Replace it or take it out.") from error


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


def _padded(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image in the middle of a canvas of the colour of its border."""
    pixels = np.asarray(image)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = np.median(border, axis=0).round().astype(int)
    canvas = Image.new(image.mode, size, tuple(np.atleast_1d(colour).tolist()))
    canvas.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return canvas
