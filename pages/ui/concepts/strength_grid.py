"""One concept added to several images at several strengths, as a grid and as an animation."""

from __future__ import annotations

import io

import numpy as np
import streamlit as st
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from pages.ui.concepts.edit import Edit, EditResult
from pages.ui.shared import cache, formatting, images, labels
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.latent_space import LatentSpace
from vae.codes import decode
from vae.latent import evenly

__all__ = ["labelled_sheet", "show_grid"]

_TILE = 96  # pixels of a picture in a grid
_GREY = (128, 132, 149)  # legible on light and on dark pages


def show_grid(result: EditResult) -> None:
    """A concept added to several images at several strengths, with export as PNG and GIF."""
    edit, space = result.edit, result.edit.space
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = [concept.name for concept in edit.active]
        chosen = st.selectbox(
            "Concept", names, format_func=formatting.concept, key="grid-concept", width=220
        )
        low, high = st.slider("Strengths", -2.0, 3.0, (-0.5, 2.0), 0.5, key="grid-range")
        people = int(st.number_input("Images", 1, 8, 4, key="grid-people", width=130))
    concept = edit.active[names.index(chosen) if chosen in names else 0]
    rows = _people(edit, concept.target, people - 1)
    starts = np.stack([edit.pin.z, *(space.mean[r] for r in rows)])
    strengths = np.arange(low, high + 0.01, 0.5 if high - low <= 3 else 1.0)
    steps = np.broadcast_to(concept.at(starts), starts.shape)
    codes = starts[:, None] + strengths[:, None] * steps[:, None]
    decoded = _decoded(space, codes.reshape(-1, codes.shape[-1]).astype(np.float32))
    labels = [f"{s:+.1f}".replace("-", "−") if s else "0" for s in strengths]
    sheet = labelled_sheet(decoded, labels)
    rest = f"added to {people} images, one in each row, with strengths {', '.join(labels)}"
    caption = f"{plain(formatting.concept(chosen))} {rest}. Framed: strength 0, unedited."
    st.image(sheet, alt=f"{formatting.concept(chosen)} {rest}", caption=caption)
    with st.container(horizontal=True):
        out = io.BytesIO()
        sheet.save(out, "PNG")
        st.download_button(
            "Grid as PNG",
            out.getvalue(),
            "concept-grid.png",
            "image/png",
            icon=":material/image:",
            on_click="ignore",
        )
        st.download_button(
            "Animation as GIF",
            lambda: _gif(space.model, starts, steps, low, high),
            "concept.gif",
            "image/gif",
            icon=":material/gif_box:",
            on_click="ignore",
        )


@cache.shared(16)
def _decoded(space: LatentSpace, codes: np.ndarray) -> Tensor:
    """Decoded pictures of codes `(N, D)`, cached while strengths are dragged."""
    return decode(space.model, codes)


def _people(edit: Edit, target: str | None, count: int) -> np.ndarray:
    """Held-out images that lack the concept."""
    rows = np.flatnonzero(~labels.fit_rows(edit.space))
    if target in labels.table(edit.space):
        rows = labels.held_out(edit.space, target)[1]
    rows = rows[rows != edit.pin.row]
    return evenly(rows, count)


def _scaled(x: Tensor) -> list[Image.Image]:
    return [Image.open(io.BytesIO(images.png(picture, _TILE))).convert("RGB") for picture in x]


def labelled_sheet(x: Tensor, labels: list[str]) -> Image.Image:
    """Pictures `(N, C, H, W)` row by row below their columns' labels; column "0" is framed."""
    tiles = _scaled(x)
    gap, head = 4, 24
    width, height = tiles[0].width + gap, tiles[0].height + gap
    rows = -(-len(tiles) // len(labels))
    sheet = Image.new("RGBA", (len(labels) * width + gap, head + rows * height + gap))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    for k, label in enumerate(labels):
        middle = gap + k * width + tiles[0].width / 2
        draw.text((middle, head / 2), label.replace("−", "-"), _GREY, font, anchor="mm")
    for k, tile in enumerate(tiles):
        row, column = divmod(k, len(labels))
        sheet.paste(tile, (gap + column * width, head + row * height))
    if "0" in labels:
        left = gap + labels.index("0") * width - 2
        box = (left, head - 2, left + width - 1, head + rows * height - 3)
        draw.rectangle(box, outline=_GREY, width=2)
    return sheet


def _gif(
    model: torch.nn.Module, starts: np.ndarray, v: np.ndarray, low: float, high: float
) -> bytes:
    """All images side by side, from the lowest strength to the highest and back."""
    frames = []
    there = np.linspace(low, high, 25)
    for strength in there:
        tiles = _scaled(decode(model, (starts + strength * v).astype(np.float32)))
        frame = Image.new("RGB", (sum(t.width for t in tiles), tiles[0].height))
        for k, tile in enumerate(tiles):
            frame.paste(tile, (k * tile.width, 0))
        frames.append(frame)
    out = io.BytesIO()
    frames = [*frames, *frames[-2:0:-1]]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=70, loop=0)
    return out.getvalue()
