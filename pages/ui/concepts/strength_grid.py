"""Edits seen from afar: people by strengths, the walk on a map of the concept, three lessons."""

from __future__ import annotations

import io

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from pages.ui.components.plotly_chart import chart
from pages.ui.concepts.edit import Edit
from pages.ui.concepts.pitfalls import show_lessons
from pages.ui.shared import formatting, images, labels, plot_style
from pages.ui.shared.foreign_text import plain
from vae.codes import decode
from vae.concepts.vectors import sides
from vae.latent import evenly

__all__ = ["labelled_sheet", "show_grid", "show_lessons", "show_map"]

_TILE = 96  # pixels of a picture in a grid
_GREY = (128, 132, 149)  # read on light and on dark pages


# People by strengths ---


def show_grid(edit: Edit) -> None:
    """The first concept added to several people, less and more of it; PNG and GIF of it."""
    space = edit.space
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = [m.concept.name for m in edit.active]
        chosen = st.selectbox(
            "Concept", names, format_func=formatting.verbatim, key="grid-concept", width=220
        )
        low, high = st.slider("Strengths", -2.0, 3.0, (-0.5, 2.0), 0.5, key="grid-range")
        people = int(st.number_input("People", 1, 8, 4, key="grid-people", width=130))
    made = edit.active[names.index(chosen) if chosen in names else 0]
    rows = _people(edit, made.target, people - 1)
    starts = np.stack([edit.pin.z, *(space.mean[r] for r in rows)])
    strengths = np.arange(low, high + 0.01, 0.5 if high - low <= 3 else 1.0)
    codes = starts[:, None] + strengths[:, None] * made.concept.vector
    decoded = decode(space.model, codes.reshape(-1, codes.shape[-1]).astype(np.float32))
    labels = [f"{s:+.1f}".replace("-", "−") if s else "0" for s in strengths]
    sheet = labelled_sheet(decoded, labels)
    rest = f"added to {people} people, one a row, with strengths {', '.join(labels)}"
    caption = f"{plain(chosen)} {rest}. 0: unchanged, framed."
    st.image(sheet, alt=f"{plain(chosen, 'text')} {rest}", caption=caption)
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
            lambda: _gif(space.model, starts, made.concept.vector, low, high),
            "concept.gif",
            "image/gif",
            icon=":material/gif_box:",
            on_click="ignore",
        )


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
    """A walk there and back of all people side by side."""
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


# The map ---


def show_map(edit: Edit) -> None:
    """All codes with the concept as x and the widest direction orthogonal to it as y."""
    space = edit.space
    names = [m.concept.name for m in edit.active]
    chosen = st.selectbox(
        "Concept", names, format_func=formatting.verbatim, key="map-concept", width=220
    )
    made = edit.active[names.index(chosen) if chosen in names else 0]
    v = made.concept.vector.astype(np.float64)
    length = np.linalg.norm(v)
    if length < 1e-9:
        st.info("This vector has length 0: it points nowhere.")
        return
    axis = v / length
    centre = space.mean.mean(0)
    flat = space.mean - centre
    flat = flat - np.outer(flat @ axis, axis)
    y_axis = np.linalg.svd(flat, full_matrices=False)[2][0] if len(v) > 1 else 0 * axis

    def place(z: np.ndarray) -> np.ndarray:
        z = np.atleast_2d(z) - centre
        return np.stack([z @ axis / length, z @ y_axis], 1)

    at = place(space.mean)
    figure = go.Figure()
    if made.target in labels.table(space):
        word, known = formatting.words(made.target).lower(), labels.table(space)
        aside = labels.excluded(space, made.target)
        with_it, without = sides(known, made.target, aside)
        parts = [(f"without {word}", without), (f"with {word}", with_it)]
        if not (with_it | without).all():
            others = " or ".join(formatting.words(n).lower() for n in aside)
            parts.append((f"{others} instead", ~(with_it | without)))
    else:
        parts = [("real images", np.ones(len(space), dtype=bool))]
    for k, (name, rows) in enumerate(parts):
        figure.add_scattergl(
            x=at[rows, 0],
            y=at[rows, 1],
            name=plain(name, "chart"),
            mode="markers",
            marker={"size": 5, "opacity": 0.5, "color": plot_style.COLOURS[(0, 1, 7)[k]]},
            text=[plain(space.title(int(r)), "chart") for r in np.flatnonzero(rows)],
            hovertemplate="%{text}<extra></extra>",
        )
    steps = np.linspace(0, 1, 9)[:, None]
    walk = place(edit.pin.z + steps * edit.step)
    figure.add_scatter(
        x=walk[:, 0],
        y=walk[:, 1],
        name="the edit",
        mode="lines+markers",
        line={"width": 3, "color": plot_style.COLOURS[3]},
        marker={"size": [12, *[6] * 7, 14], "symbol": ["circle", *["circle"] * 7, "star"]},
    )
    figure.update_layout(
        height=480,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis_title=f"{plain(chosen, 'chart')}, in units of strength",
        yaxis_title="widest direction orthogonal to it",
        legend={"orientation": "h", "y": -0.18},
    )
    alt = f"Map whose horizontal axis is {chosen}, with the walk of this edit"
    chart(figure, key="concept-map", alt=alt)
    st.caption(
        "Each point is a real image. A clean split from left to right means that the vector tells "
        "those with it from those without. Other concepts that act move the walk up or down."
    )
