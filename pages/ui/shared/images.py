"""Images as browsers take them: data URLs, sheets, atlases, and uploads checked as they come."""

from __future__ import annotations

import base64
import io
import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st
import torch
from PIL import Image
from torch import Tensor

from pages.ui.shared.foreign_text import plain
from pages.ui.shared.latent_space import LatentSpace
from vae import DatasetError
from vae.decoder_export import DEVIATION_WHITE
from vae.imports.picture import Fit, read_picture
from vae.imports.store import find_import

__all__ = [
    "atlas",
    "atlas_layout",
    "data_url",
    "deviation",
    "gif",
    "pictures",
    "png",
    "read_upload",
    "sheet",
]

_ATLAS_SIDE = 4_096  # pixels; browsers of phones refuse much larger pictures
_LARGEST_UPLOAD = 20_000_000  # bytes
_decoding = threading.Lock()  # one picture at a time, for the sake of memory


def _to_pil(x: Tensor) -> Image.Image:
    bytes_ = x.detach().nan_to_num(0).clamp(0, 1).mul(255).round().to(torch.uint8)
    array = bytes_.cpu().numpy()
    if array.shape[0] == 1:
        return Image.fromarray(array[0])
    return Image.fromarray(np.ascontiguousarray(array.transpose(1, 2, 0)))


def png(x: Tensor, height: int | None = None) -> bytes:
    """Encodes an image `(C, H, W)` in [0, 1] as PNG.

    Args:
        x: grey or RGB.
        height: height in pixels, None for the original one; up to 32 rows are enlarged unsmoothed.
    """
    picture = _to_pil(x)
    if height and height != picture.height:
        hard = x.shape[-2] <= 32 and height > picture.height
        how = Image.Resampling.NEAREST if hard else Image.Resampling.BICUBIC
        picture = picture.resize((round(height * picture.width / picture.height), height), how)
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def data_url(x: Tensor, height: int | None = None) -> str:
    """The same as a `data:` URL, which travels with the page and needs no request of its own."""
    return "data:image/png;base64," + base64.b64encode(png(x, height)).decode()


def gif(x: Tensor, height: int, seconds: float) -> bytes:
    """Encodes pictures `(N, C, H, W)` in [0, 1] as an animation that repeats for ever.

    Args:
        x: grey or RGB.
        height: height in pixels.
        seconds: duration of each picture, which GIF rounds to hundredths.
    """
    frames = [Image.open(io.BytesIO(png(picture, height))) for picture in x]
    if x.shape[1] == 3:
        # One palette for all: finding one for each frame takes long, and they would flicker.
        palette = _to_pil(sheet(x, len(x))).quantize(256)
        frames = [frame.quantize(palette=palette) for frame in frames]
    first, *rest = frames
    out = io.BytesIO()
    first.save(
        out, "GIF", save_all=True, append_images=rest, duration=round(1000 * seconds), loop=0
    )
    return out.getvalue()


def deviation(sigma: Tensor) -> Tensor:
    """Standard deviations `(C, H, W)` as an image: white is `DEVIATION_WHITE` or more."""
    return (sigma / DEVIATION_WHITE).clamp(0, 1)


def sheet(x: Tensor, columns: int) -> Tensor:
    """Lays images `(N, C, H, W)` side by side, row by row: `(C, rows * H, columns * W)`."""
    n, c, h, w = x.shape
    rows = math.ceil(n / columns)
    padded = torch.cat([x, x.new_zeros(rows * columns - n, c, h, w)])
    lattice = padded.reshape(rows, columns, c, h, w).permute(2, 0, 3, 1, 4)
    return lattice.reshape(c, rows * h, columns * w)


def atlas_layout(count: int, height: int) -> tuple[int, int]:
    """Side of an atlas tile in pixels, and tiles in a row, for so many images of that height."""
    columns = math.ceil(math.sqrt(count))
    return max(8, min(height, 48, _ATLAS_SIDE // columns)), columns


def atlas(images: Any, index: np.ndarray) -> bytes:
    """Packs a dataset's images into one JPEG, row by row in the order of `index`.

    Args:
        images: a dataset's `.images`.
        index: `(N,)` which of them.
    """
    c, h, _ = images.shape[1:]
    tile, columns = atlas_layout(len(index), h)
    side = columns * tile
    whole = np.zeros((math.ceil(len(index) / columns) * tile, side, c), dtype=np.uint8)
    for start in range(0, len(index), 500):
        batch = images[torch.from_numpy(index[start : start + 500])]
        if batch.shape[-2:] != (tile, tile):
            batch = torch.nn.functional.interpolate(
                batch, (tile, tile), mode="bilinear", antialias=True, align_corners=False
            )
        tiles = batch.clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        for k, picture in enumerate(tiles, start):
            row, column = divmod(k, columns)
            whole[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile] = picture
    out = io.BytesIO()
    Image.fromarray(whole[..., 0] if c == 1 else whole).save(out, "JPEG", quality=88)
    return out.getvalue()


def read_upload(file: Any, space: LatentSpace) -> Tensor:
    """Reads an uploaded picture as a model takes it: as the import of its images read them.

    Args:
        file: output of `st.file_uploader`.
        space: the model. Without an import, the picture is cropped, and one of more than 8 bits
            has its own scale.

    Returns:
        `(C, H, W)` in [0, 1].

    Raises:
        DatasetError: no picture, damaged, or too large.
    """
    if file.size > _LARGEST_UPLOAD:
        raise DatasetError(
            f"{file.name} has {file.size / 1e6:.0f} MB; pictures of up to "
            f"{_LARGEST_UPLOAD / 1e6:.0f} MB are read. Make it smaller."
        )
    file.seek(0)
    found = find_import(space.dataset.name)
    how, scale = (found.card["fit"], found.card["scale"]) if found else ("crop", None)
    fit = Fit(space.shape, how, scale=(scale[0], scale[1]) if scale else None)
    with _decoding:
        pixels = read_picture(file, file.name, fit)
    return torch.from_numpy(pixels.astype(np.float32)) / 255


def pictures(captioned: Sequence[tuple[str, Tensor]], width: int = 104) -> None:
    """Shows pictures `(C, H, W)` side by side, each with its caption, which is no Markdown."""
    st.image(
        [data_url(x, 2 * width) for _, x in captioned],
        caption=[plain(words) for words, _ in captioned],
        width=width,
        alt=[plain(words, "text") for words, _ in captioned],
    )
